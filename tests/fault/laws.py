"""What must hold after every fault, once the program was left in peace for a while.

1. Every occurrence of a schedule is exactly one run, done or skipped with a reason; each run that
   is done has exactly one bag, each bag exactly one run.
2. Every recipient of every run is in exactly one final state; what is `delivered` arrived, and
   what arrived twice is the same to the byte.
3. The evidence is whole: `archive verify` and the script for auditors find nothing.
And nothing unfinished lies about.
"""

import datetime
import os
import subprocess

from office import MONDAY, RECIPIENTS, later

FINAL = {"delivered", "refused", "expired", "held"}


def check(office, now, first=0, arrived=None, states=("delivered",), script=False):
    """Raises AssertionError naming the law that was broken.

    `first`: the first week that came due while the schedule was looked at; `arrived`: messages
    by Message-ID where they went to a relay; `states`: what may have become of a message.
    """
    occurrences(office, now, first)
    messages(office, arrived, states)
    evidence(office, now, script)
    left = unfinished(office)
    assert not left, f"unfinished: {left}"


def occurrences(office, now, first):
    expected = []
    week = first
    while MONDAY + datetime.timedelta(weeks=week) <= now:
        nominal = (MONDAY + datetime.timedelta(weeks=week)).date()
        expected.append(f"{nominal}T07:00")
        week += 1
    runs = office.select(
        "SELECT nominal, state, bag FROM run WHERE schedule = 'weekly' ORDER BY nominal, revision")
    assert [run[0] for run in runs] == expected, f"occurrences {runs}, expected {expected}"
    for nominal, state, bag in runs:
        assert state == "done", f"{nominal} is {state}"
        assert bag, f"{nominal} has no bag"
    known = [row[0] for row in office.select("SELECT bag FROM head ORDER BY seq")]
    removed = {name for name in known if not (office.base / "evidence/bags" / name).exists()}
    stones = {int(name.split(".")[0]) for _, _, files in os.walk(office.base / "evidence/bags")
              for name in files if name.endswith(".tombstone")}
    assert stones == {int(name.split("-")[0]) for name in removed}, \
        f"{removed} removed, tombstones for {stones}"
    assert [name for name in known if name not in removed] == office.bags(), \
        f"bags {office.bags()}, heads {known}"
    everything = office.select("SELECT bag FROM run WHERE bag IS NOT NULL ORDER BY seq")
    assert [row[0] for row in everything] == known, "each bag is one run"


def messages(office, arrived, states):
    rows = office.select(
        "SELECT nominal, recipient, state, message_id FROM outbox WHERE purpose = 'report' "
        "AND schedule = 'weekly' ORDER BY nominal, recipient")
    done = office.select(
        "SELECT nominal FROM run WHERE schedule = 'weekly' AND state = 'done' ORDER BY nominal")
    expected = [(run[0], recipient) for run in done for recipient in RECIPIENTS]
    assert [row[:2] for row in rows] == expected, f"messages {rows}"
    for nominal, recipient, state, _ in rows:
        assert state in FINAL and state in states, f"{nominal} to {recipient} is {state}"
    delivered = {row[3] for row in rows if row[2] == "delivered"}
    if arrived is None:
        there = {name.removesuffix(".eml") for name in office.names("outbox")}
        assert len(there) >= len(delivered), f"{len(there)} mails for {len(delivered)} delivered"
        return
    missing = delivered - set(arrived)
    assert not missing, f"delivered, but never arrived: {missing}"
    for message_id, copies in arrived.items():
        assert len(set(copies)) == 1, f"{message_id} arrived with different bytes"


def evidence(office, now, script):
    verified = office.run(later(now, minutes=1), "archive", "verify")
    assert verified.returncode == 0, f"archive verify: {verified.said}{verified.stdout.decode()}"
    sound = office.select("PRAGMA integrity_check")
    assert sound == [("ok",)], f"ledger: {sound}"
    if script:
        done = subprocess.run(["sh", "evidence/verify.sh"], cwd=office.base, capture_output=True)
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def unfinished(office):
    found = []
    for folder, folders, files in os.walk(office.base):
        found += [os.path.join(folder, name) for name in folders + files
                  if name.startswith(".tmp")]
    return found
