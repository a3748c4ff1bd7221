"""A clock that goes forwards and backwards, by `--now` and, for the daemon, by faketime."""

import os
import random
import shutil
import subprocess
import tempfile
import time

import laws
from office import FIRST_LOOK, Office, due, later, text


def jumps(program, seed, count):
    """Looks at random moments of ten weeks, in no order: each week is reported once."""
    office = Office(program, days=160)
    office.run(FIRST_LOOK, "tick", check=0)
    moments = random.Random(seed)
    newest = due(0)
    for _ in range(count):
        now = later(due(0), minutes=moments.randrange(10 * 7 * 24 * 60))
        newest = max(newest, now)
        done = office.run(now, "tick")
        assert done.returncode in {0, 4}, f"{text(now)}: {done.returncode}: {done.said}"
    end = office.come_to_rest(newest)
    laws.check(office, end)
    office.remove()


def daemon_under(program, offset, seconds, expect_runs, office=None):
    """The daemon with a clock that is changed while it runs, as by hand or by NTP."""
    office = office or Office(program)
    office.run(FIRST_LOOK, "tick", check=0)
    with tempfile.NamedTemporaryFile("w", prefix="intransit-clock-") as clock:
        clock.write("@2026-11-16 09:59:50")
        clock.flush()
        env = {**os.environ, "LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": clock.name,
               "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}
        with open(office.base / "daemon.log", "w") as log:
            daemon = subprocess.Popen(office.command(None, "daemon"), cwd=office.base, env=env,
                                      stderr=log, stdin=subprocess.DEVNULL)
        time.sleep(2)
        clock.seek(0)
        clock.truncate()
        clock.write(offset)
        clock.flush()
        time.sleep(seconds)
        daemon.terminate()
        code = daemon.wait(30)
    said = (office.base / "daemon.log").read_text()
    assert code == 0, f"{code}: {said}"
    assert "panicked" not in said, said
    runs = office.select("SELECT nominal, state FROM run ORDER BY nominal")
    assert len(runs) == expect_runs, f"{runs}: {said}"
    return office, said


def forwards_a_little(program):
    """Half an hour ahead may be a correction: the report that is due is made at once."""
    office, _ = daemon_under(program, "@2026-11-16 10:30:00", 24, 1)
    laws.check(office, due(0))
    office.remove()


def forwards_far(program):
    """A year ahead is not believed: nothing is made, signed or sent of weeks to come."""
    office, said = daemon_under(program, "@2027-11-16 10:00:00", 24, 0)
    assert "the clock leapt ahead" in said, said
    assert not office.bags(), office.bags()
    office.remove()


def backwards(program):
    """A day back: what was done is not done again, and later weeks come in their time."""
    office = Office(program)
    office.run(FIRST_LOOK, "tick", check=0)
    office.run(due(0), "tick", check=0)
    office, _ = daemon_under(program, "@2026-11-15 10:00:00", 24, 1, office)
    office.come_to_rest(due(1))
    laws.check(office, due(1))
    office.remove()


def library():
    places = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime",
              "/usr/lib/faketime", "/usr/local/lib/faketime"]
    for place in places:
        found = os.path.join(place, "libfaketimeMT.so.1")
        if os.path.exists(found):
            return found
    return None


def run(report, options):
    rounds = 1 if options.short else 20
    for seed in range(rounds):
        report.case(f"clock in no order, {seed}", jumps, options.program, options.seed + seed, 12)
    report.figure(f"clock: {rounds} times 12 looks in no order")
    if not shutil.which("faketime") or not library():
        return report.skip("the daemon's clock", "faketime is not installed")
    checks = [forwards_far] if options.short else [forwards_a_little, forwards_far, backwards]
    for check in checks:
        report.case(f"daemon: {check.__name__}", check, options.program)
    report.figure(f"clock: daemon, {len(checks)} changes while it runs")
    return None
