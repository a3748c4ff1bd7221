"""The Nth call of a kind fails, for every N, until none does (by strace).

After each: the exit code is one that the program documents, what it says is no panic, success is
only claimed where everything is there, and after a look in peace every law holds.
"""

import itertools
import shutil
import subprocess
import tempfile
import zipfile

import laws
from office import FIRST_LOOK, Office, due, later
from relay import Relay

CALLS = {
    "write": (["write", "pwrite64", "writev", "copy_file_range"], "ENOSPC"),
    "fsync": (["fsync", "fdatasync"], "EIO"),
    "rename": (["rename", "renameat", "renameat2", "linkat"], "EIO"),
    "openat": (["openat"], "EMFILE"),
    "mkdir": (["mkdir", "mkdirat", "ftruncate", "fchmod"], "ENOSPC"),
    "unlink": (["unlink", "unlinkat", "rmdir"], "EIO"),
}
CODES = {0, 2, 3, 4, 5}
NOW = due(0)


class Verb:
    """What is disturbed: a base to copy, the arguments, and what success must show."""

    def __init__(self, name, base, args, now, whole, after=None, relay=None):
        self.name, self.base, self.args, self.now = name, base, args, now
        self.whole, self.after, self.relay = whole, after or peace, relay


def verbs(program):
    fresh = Office(program)
    fresh.run(FIRST_LOOK, "tick", check=0)
    yield Verb("tick", fresh, ["tick"], NOW, finished)
    yield Verb("run", fresh, ["run", "weekly"], NOW, finished, again_by_hand)
    yield Verb("dry run", fresh, ["run", "weekly", "--dry-run", "--out", "dry"], NOW, dry)
    done = fresh.copy()
    done.run(NOW, "tick", check=0)
    yield Verb("report", done, ["report", "traces/all.csv", "--out", "out"], NOW, same_report(done))
    yield Verb("report --archive", done, ["report", "traces/all.csv", "--archive", "--out", "out"], NOW,
               lambda office: laws.check(office, NOW))
    yield Verb("archive seal", done, ["archive", "seal"], later(NOW, hours=1), sealed)
    yield Verb("archive export", done, ["archive", "export", "--out", "e.zip"], NOW, exported)
    yield Verb("cache clear", done, ["cache", "clear"], NOW, lambda office: None)
    yield Verb("cache verify", done, ["cache", "verify"], NOW, lambda office: None)
    old = done.copy()
    old.settings(keep="7d")
    old.run(due(1), "tick", check=0)
    yield Verb("archive prune", old, ["archive", "prune"], later(due(1), days=3),
               lambda office: laws.check(office, due(1)), pruned_in_peace)
    relay = Relay()
    waiting = fresh.copy()
    waiting.settings(relay.port)
    relay.down = True
    waiting.run(NOW, "tick", check=4)
    relay.down = False
    yield Verb("deliver retry", waiting, ["deliver", "retry"], later(NOW, hours=1),
               arrived(relay), lambda office: arrived_in_peace(office, relay), relay)


def finished(office):
    laws.check(office, NOW)


def dry(office):
    assert len([name for name in office.names("dry") if not name.startswith(".")]) > 2, "dry run"
    assert not office.bags(), "a dry run files nothing"


def same_report(done):
    expected = done.copy()
    expected.run(NOW, "report", "traces/all.csv", "--out", "out", check=0)
    files = {path.name: path.read_bytes() for path in (expected.base / "out").iterdir()}
    expected.remove()

    def check(office):
        found = {path.name: path.read_bytes() for path in (office.base / "out").iterdir()}
        assert found == files, f"success, but {sorted(found)} are not the files of the report"

    return check


def sealed(office):
    assert len(office.bags()) == 2, f"sealed, but {office.bags()}"
    laws.check(office, NOW)


def exported(office):
    with zipfile.ZipFile(office.base / "e.zip") as copy:
        assert copy.testzip() is None, "exported, but the copy is damaged"
        assert any("chain" in name for name in copy.namelist()), "exported without its chain"


def arrived(relay):
    def check(office):
        states = {row[0] for row in office.select("SELECT state FROM outbox")}
        assert states <= {"delivered", "queued", "in-doubt"}, states

    return check


def arrived_in_peace(office, relay):
    office.come_to_rest(later(NOW, hours=3))
    laws.check(office, NOW, arrived=relay.arrived)


def peace(office):
    office.come_to_rest(later(NOW, minutes=5))
    laws.check(office, NOW)


def again_by_hand(office):
    """What a person asked for and could not be made is asked for again by a person."""
    office.run(later(NOW, minutes=2), "run", "weekly", "--nominal", "2026-11-16T07:00")
    peace(office)


def pruned_in_peace(office):
    """What was begun goes on with the next time."""
    office.run(later(due(1), days=3, hours=1), "archive", "prune", check=0)
    office.come_to_rest(later(due(1), days=3, hours=2))
    laws.check(office, due(1))


def disturbed(office, verb, call, number):
    """Runs the verb with one call failing. Gives the result, and the calls that failed."""
    names, error = CALLS[call]
    with tempfile.NamedTemporaryFile("r", prefix="intransit-fault-") as log:
        before = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", log.name,
                  "-e", "trace=" + ",".join(names),
                  "-e", f"inject={','.join(names)}:error={error}:when={number}"]
        done = office.run(verb.now, *verb.args, before=before)
        return done, [line for line in log.read().splitlines() if "INJECTED" in line]


def judge(verb, done, failed):
    """What the program says of itself while something fails."""
    loader = done.returncode == 127 and "shared libraries" in done.said
    if loader:
        return
    assert "panicked" not in done.said, done.said
    # What cannot be read cannot be found to be as it was: that is a fault of the check.
    codes = CODES | ({1} if verb.name == "cache verify" and "fault" in done.said else set())
    assert done.returncode in codes, f"exit code {done.returncode}: {done.said}"
    unheard = any(" write(2," in line for line in failed)
    if done.returncode not in {0, 1} and not unheard:
        assert "error" in done.said, f"exit code {done.returncode} without a word: {done.said}"


def one(verb, call, number):
    """One failing call; says whether there was one to fail."""
    office = verb.base.copy()
    try:
        if verb.relay:
            verb.relay.arrived.clear()
        done, failed = disturbed(office, verb, call, number)
        if not failed:
            return False
        judge(verb, done, failed)
        if done.returncode == 0:
            verb.whole(office)
        verb.after(office)
        return True
    finally:
        office.remove()


def run(report, options):
    if not shutil.which("strace"):
        return report.skip("calls that fail", "strace is not installed")
    probe = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "true"], capture_output=True)
    if probe.returncode != 0:
        return report.skip("calls that fail", f"strace may not trace: {probe.stderr.decode()}")
    for verb in verbs(options.program):
        if options.only and verb.name not in options.only:
            continue
        for call in CALLS:
            tried = 0
            numbers = itertools.count(1) if not options.short else short_numbers()
            for number in numbers:
                found = []
                report.case(f"{verb.name}: {call} {number}",
                            lambda n=number: found.append(one(verb, call, n)))
                if found == [False]:
                    break
                tried += 1
            report.figure(f"calls: {verb.name}: {call}: {tried} failed in turn")
    return None


def short_numbers():
    """A few, some early and some late: each costs about a second."""
    return iter([3, 17, 60])
