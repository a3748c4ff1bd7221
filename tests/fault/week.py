"""A week of the daemon's life, with the clock running fast: outages of the relay, restarts, one
of them by kill -9, hours in which nothing runs, and a change of clocks.

Afterwards every occurrence is accounted for, every message arrived, and memory and open files
of the daemon stayed flat meanwhile.
"""

import datetime
import os
import signal
import subprocess
import time
import zoneinfo

import laws
from clock import library
from office import Office, later
from relay import Relay

UTC = datetime.timezone.utc
PARIS = zoneinfo.ZoneInfo("Europe/Paris")
# Clocks in Paris go from two to three o'clock on 28 March 2027.
WEEK = (datetime.datetime(2027, 3, 24, 12, 0, tzinfo=UTC), 168)
NIGHT = (datetime.datetime(2027, 3, 27, 22, 0, tzinfo=UTC), 14)

SCHEDULE = """cron = "{cron}"
timezone = "Europe/Paris"
periods = ["week"]

[[source]]
path = "traces/*.csv"

[[recipient]]
address = "{recipient}"
"""
CRONS = {"hourly": "0 * * * *", "daily": "30 2 * * *"}


class Life:
    """The daemon under a clock that runs `speed` times as fast."""

    def __init__(self, office, start, speed):
        self.office, self.start, self.speed = office, start, speed
        self.began = time.monotonic()
        self.daemon, self.samples, self.lives = None, [], 0

    def now(self):
        return self.start + datetime.timedelta(seconds=self.speed * (time.monotonic() - self.began))

    def wake(self):
        # Under a copy of the clock that goes on where it was.
        clock = self.now().strftime("@%Y-%m-%d %H:%M:%S")
        env = {**os.environ, "LD_PRELOAD": library(), "FAKETIME": f"{clock} x{self.speed}",
               "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}
        self.lives += 1
        with open(self.office.base / "daemon.log", "a") as log:
            self.daemon = subprocess.Popen(self.office.command(None, "daemon"), env=env,
                                           cwd=self.office.base, stderr=log,
                                           stdin=subprocess.DEVNULL)

    def end(self, name=signal.SIGTERM):
        self.daemon.send_signal(name)
        code = self.daemon.wait(60)
        expected = 0 if name == signal.SIGTERM else -name
        assert code == expected, f"{name.name}: the daemon ended with {code}"
        self.daemon = None

    def sample(self):
        """Resident memory in KiB and open files, with the hour of the week."""
        if self.daemon is None:
            return
        assert self.daemon.poll() is None, f"the daemon ended: {self.daemon.returncode}"
        pages = int(open(f"/proc/{self.daemon.pid}/statm").read().split()[1])
        files = len(os.listdir(f"/proc/{self.daemon.pid}/fd"))
        hour = (self.now() - self.start).total_seconds() / 3600
        self.samples.append((self.lives, hour, pages * 4, files))


def plan(hours):
    """What happens at which hour: outages of six hours a day, a restart every other day, one
    by kill -9, and three hours of rest."""
    events = []
    for day in range(hours // 24 + 1):
        events += [(24 * day + 5, "down"), (24 * day + 11, "up")]
        if day % 2:
            events.append((24 * day + 8, "restart"))
    events += [(hours * 0.3, "kill"), (hours * 0.6, "stop"), (hours * 0.6 + 3, "wake")]
    return sorted(event for event in events if event[0] < hours)


def live(office, relay, start, hours, speed):
    life = Life(office, start, speed)
    life.wake()
    for hour, what in [*plan(hours), (hours, "end")]:
        while (life.now() - start).total_seconds() < 3600 * hour:
            time.sleep(0.5)
            life.sample()
        if what in ("down", "up"):
            relay.down = what == "down"
        elif what == "restart" and life.daemon:
            life.end()
            life.wake()
        elif what == "kill" and life.daemon:
            life.end(signal.SIGKILL)
            life.wake()
        elif what == "stop" and life.daemon:
            life.end()
        elif what == "wake" and not life.daemon:
            life.wake()
    if life.daemon:
        life.end()
    relay.down = False
    return life


def expected(name, start, end):
    """The nominal times of a schedule in a span, and whether each has a report of its own."""
    nominal = start.astimezone(PARIS).replace(tzinfo=None, minute=30 if name == "daily" else 0)
    found = {}
    nominal -= datetime.timedelta(hours=2)
    while True:
        nominal += datetime.timedelta(hours=1)
        # A time that the clock leapt over is due when it is over.
        due = nominal.replace(tzinfo=PARIS).astimezone(UTC)
        back = due.astimezone(PARIS).replace(tzinfo=None)
        leapt = back != nominal
        if leapt:
            due = datetime.datetime(2027, 3, 28, 1, 0, tzinfo=UTC)
        if due > end:
            return found
        if due > start and (name == "hourly" or nominal.hour == 2):
            # With three o'clock on the same instant, two o'clock has none of its own.
            found[nominal.strftime("%Y-%m-%dT%H:%M")] = not (leapt and name == "hourly")


def account(office, relay, seen, end):
    """Every occurrence since each schedule was first seen, every message."""
    for name in CRONS:
        [(first,)] = office.select(f"SELECT seen FROM schedule WHERE name = '{name}'")
        first = datetime.datetime.fromisoformat(first.replace("Z", "+00:00"))
        assert abs((first - seen).total_seconds()) < 3600, f"{name} was first seen at {first}"
        runs = office.select(f"SELECT nominal, state, reason FROM run WHERE schedule = '{name}'")
        wanted = expected(name, first, end)
        found = {nominal: state for nominal, state, _ in runs}
        assert len(runs) == len(found), f"{name}: an occurrence stands twice"
        assert set(found) == set(wanted), \
            f"{name}: {sorted(set(found) ^ set(wanted))} are not as the schedule says"
        for nominal, state, reason in runs:
            ok = state == "done" if wanted[nominal] else (state == "skipped" and reason)
            assert ok, f"{name} {nominal}: {state} {reason}"
    states = office.select("SELECT state, count(*) FROM outbox GROUP BY state")
    assert [state for state, _ in states] == ["delivered"], states
    ids = {row[0] for row in office.select("SELECT message_id FROM outbox")}
    assert ids == set(relay.arrived), "what is delivered is what arrived"
    for message_id, copies in relay.arrived.items():
        assert len(set(copies)) == 1, f"{message_id} arrived with different bytes"
    laws.evidence(office, end, script=True)
    assert not laws.unfinished(office), laws.unfinished(office)


def flat(life):
    """Memory after the first hours of each life is what it is at its end, and so are files."""
    for number in range(1, life.lives + 1):
        of_life = [sample for sample in life.samples if sample[0] == number]
        settled = of_life[len(of_life) // 3:]
        if len(settled) < 20:
            continue
        third = len(settled) // 3
        early = max(sample[2] for sample in settled[:third])
        late = max(sample[2] for sample in settled[-third:])
        assert late <= 1.25 * early, f"life {number}: memory grew from {early} to {late} KiB"
        files = {sample[3] for sample in settled}
        assert max(files) - min(files) <= 8, f"life {number}: open files {sorted(files)}"
        least = [min(sample[3] for sample in part) for part in (settled[:third], settled[-third:])]
        assert least[1] <= least[0], f"life {number}: files stay open, {least}"


def table(report, life, office, hours):
    report.figure("| hours | life | memory, MiB | open files |")
    report.figure("|---|---|---|---|")
    step = 24 if hours > 24 else 4
    for begin in range(0, hours, step):
        part = [sample for sample in life.samples if begin <= sample[1] < begin + step]
        if part:
            memory = [sample[2] / 1024 for sample in part]
            files = [sample[3] for sample in part]
            lives = sorted({sample[0] for sample in part})
            report.figure(f"| {begin} to {begin + step} | {', '.join(map(str, lives))} | "
                          f"{min(memory):.0f} to {max(memory):.0f} | {min(files)} to {max(files)} |")
    [(done,)] = office.select("SELECT count(*) FROM run WHERE state = 'done'")
    [(mails,)] = office.select("SELECT count(*) FROM outbox")
    report.figure(f"week: {hours} hours at {life.speed} times their speed, {life.lives} starts, "
                  f"{done} reports, {mails} messages")


def run(report, options):
    if not library():
        return report.skip("a week of the daemon", "faketime is not installed")
    start, hours = NIGHT if options.short else WEEK
    speed = options.speed or (1800 if options.short else 600)
    relay = Relay()
    office = Office(options.program, first="2027-03-01", days=40)
    office.settings(relay.port)
    (office.base / "schedules/weekly.toml").unlink()
    for name, cron in CRONS.items():
        office.add(f"schedules/{name}.toml",
                   SCHEDULE.format(cron=cron, recipient=f"{name}@contoso.example"))
    lived = []
    if report.case("a week of the daemon",
                   lambda: lived.append(live(office, relay, start, hours, speed))):
        life = lived[0]
        end = life.now()
        for look in range(5):
            office.run(later(end, minutes=look), "deliver", "retry")
        office.run(end, "tick")
        report.case("every occurrence and message", account, office, relay, start, end)
        report.case("memory and files are flat", flat, life)
        table(report, life, office, hours)
    relay.stop()
    office.remove()
    return None
