"""The process is killed at random moments, again and again, over weeks of reports.

The whole pipeline: state, evidence, and mail to a relay, which is the Postfix of tests/postfix
where it can be started, else one that listens on loopback here.
"""

import collections
import datetime
import email
import pathlib
import random
import shutil
import subprocess
import tempfile
import time

import laws
from office import FIRST_LOOK, Office, due, later
from relay import Relay

ROOT = pathlib.Path(__file__).resolve().parent.parent
KILLS_A_WEEK = 3
WEEKS = 50
"""Weeks in one office: a chain of bags that grows while the process is killed."""


class Postfix:
    """A private Postfix; what arrived lies in its maildirs."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="intransit-postfix-")
        started = subprocess.run([ROOT / "postfix/start", self.folder], capture_output=True)
        if started.returncode != 0:
            raise OSError(started.stderr.decode())
        lines = (pathlib.Path(self.folder) / "peer.env").read_text().splitlines()
        self.facts = dict(line.split("=", 1) for line in lines if "=" in line)

    def mail(self, office):
        """The [mail] settings for it."""
        office.add("password", self.facts["PASSWORD"] + "\n")
        (office.base / "password").chmod(0o600)
        return (f'transport = "smtp"\nhost = "localhost"\nport = {self.facts["PORT"]}\n'
                f'security = "starttls"\nca_file = "{self.facts["CA"]}"\nauth = "password"\n'
                f'username = "{self.facts["USERNAME"]}"\npassword_file = "password"\n')

    def arrived(self):
        """What the users have, by Message-ID; without what the relay put on top."""
        found = collections.defaultdict(list)
        for path in pathlib.Path(self.facts["MAILDIR"]).glob("*/new/*"):
            content = path.read_bytes()
            head, body = content.replace(b"\r\n", b"\n").split(b"\n\n", 1)
            message_id = email.message_from_bytes(head)["Message-ID"].strip("<> \n")
            ours = [line for line in head.split(b"\n") if line.startswith((b"Date:", b"Subject:"))]
            found[message_id].append(b"\n".join(ours) + body)
        return found

    def settle(self):
        """Waits until nothing arrives any more."""
        before, since = -1, time.monotonic()
        while time.monotonic() - since < 3:
            count = sum(len(copies) for copies in self.arrived().values())
            if count != before:
                before, since = count, time.monotonic()
            time.sleep(0.3)

    def forget(self):
        for path in pathlib.Path(self.facts["MAILDIR"]).glob("*/new/*"):
            path.unlink()

    def stop(self):
        subprocess.run([ROOT / "postfix/stop", self.folder], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Loopback:
    """The relay of this folder, with the same handles."""

    def __init__(self):
        self.relay = Relay()

    def mail(self, office):
        del office
        return (f'transport = "smtp"\nhost = "127.0.0.1"\nsecurity = "none-loopback-only"\n'
                f'port = {self.relay.port}\n')

    def arrived(self):
        return self.relay.arrived

    def settle(self):
        time.sleep(0.2)

    def forget(self):
        self.relay.arrived.clear()

    def stop(self):
        self.relay.stop()


def relay():
    if not pathlib.Path("/usr/sbin/postfix").exists():
        return Loopback(), "a relay of our own (postfix is not installed)"
    try:
        return Postfix(), "Postfix"
    except OSError as error:
        return Loopback(), f"a relay of our own (postfix did not start: {error})"


def one_office(program, post, moments, kills, longest):
    """Kills spread over some weeks, then peace. Gives what there was to count."""
    first = datetime.date(2026, 10, 1)
    post.forget()
    office = Office(program, first=str(first), days=60 + 7 * WEEKS)
    office.settings(mail=post.mail(office))
    office.run(FIRST_LOOK, "tick", check=0)
    ended, weeks = 0, max(2, kills // KILLS_A_WEEK)
    for kill in range(kills):
        # Time goes on meanwhile: something is always due, or on its way.
        now = later(due(0), minutes=int(weeks * 7 * 24 * 60 * kill / kills))
        process = subprocess.Popen(office.command(now, "tick"), cwd=office.base,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        # Half of them early: where nothing is due a look is short, and where much is, the
        # beginning puts in order what the kill before left.
        time.sleep(moments.uniform(0.001, longest * moments.choice([0.1, 0.4, 0.7, 1, 1, 1, 3])))
        if process.poll() is None:
            process.kill()
        else:
            ended += 1
        process.wait()
    end = later(due(0), minutes=weeks * 7 * 24 * 60)
    # Twice in doubt is held for a person: nothing more is sent by itself, and it is said.
    office.come_to_rest(end, looks=6, codes=(0, 4))
    post.settle()
    arrived = post.arrived()
    laws.check(office, end, arrived=arrived, states=("delivered", "held"), script=True)
    facts = {
        "runs": len(office.select("SELECT 1 FROM run WHERE state = 'done'")),
        "messages": len(office.select("SELECT 1 FROM outbox")),
        "held": len(office.select("SELECT 1 FROM outbox WHERE state = 'held'")),
        "twice": sum(len(copies) > 1 for copies in arrived.values()),
        "killed": kills - ended,
        "ended before": ended,
    }
    office.remove()
    return facts


def longest(program):
    """How long an undisturbed look with a run takes, and a little more."""
    office = Office(program)
    office.run(FIRST_LOOK, "tick", check=0)
    started = time.monotonic()
    office.run(due(0), "tick", check=0)
    office.remove()
    return 1.2 * (time.monotonic() - started)


def run(report, options):
    wanted = options.kills or (60 if options.short else 10_000)
    post, name = relay()
    sums = collections.Counter()
    moments = random.Random(options.seed)
    limit = longest(options.program)
    try:
        round_ = 0
        while sums["killed"] < wanted and round_ < 10 + wanted // 20:
            kills = min(KILLS_A_WEEK * WEEKS, wanted - sums["killed"] + 5)
            round_ += 1
            report.case(
                f"kills, office {round_}, seed {options.seed}",
                lambda: sums.update(
                    one_office(options.program, post, moments, kills, limit)))
            if not options.short and round_ % 2 == 0:
                print(f"   {dict(sums)}", flush=True)
    finally:
        post.stop()
    report.figure(f"kills: {name}: {sums['killed']} killed and {sums['ended before']} looks that "
                  f"ended before, in {round_} offices; {sums['runs']} runs, {sums['messages']} "
                  f"messages, {sums['twice']} arrived twice (unchanged), {sums['held']} held after a "
                  "second doubt")
