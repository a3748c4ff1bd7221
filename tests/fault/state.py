"""The state folder read-only, deleted, put back from last week; evidence put back; two at once."""

import os
import pwd
import shutil
import subprocess
import time

import laws
from office import FIRST_LOOK, Office, due, later


def read_only(program):
    """Nothing can be written, nothing is claimed; when it can be again, all is made up for."""
    office = Office(program)
    office.run(FIRST_LOOK, "tick", check=0)
    user = pwd.getpwnam("nobody")
    mine = os.geteuid() != 0
    for path in [office.base, *office.base.rglob("*")]:
        if not mine:
            os.chown(path, user.pw_uid, user.pw_gid)
    as_user = [] if mine else ["setpriv", f"--reuid={user.pw_uid}", "--clear-groups"]
    for folder in ("state", "evidence"):
        (office.base / folder).mkdir(exist_ok=True)
        if not mine:
            os.chown(office.base / folder, user.pw_uid, user.pw_gid)
        close(office, folder, 0o500)
        done = office.run(due(0), "tick", before=as_user)
        assert done.returncode == 5 and "error" in done.said, f"{folder}: {done.said}"
        assert "panicked" not in done.said, done.said
        assert not office.names("outbox"), "nothing is mailed that was not filed"
        close(office, folder, 0o700)
    for hours in (1, 3, 5):
        done = office.run(later(due(0), hours=hours), "tick", before=as_user)
    assert done.returncode == 0, done.said
    laws.check(office, due(0))
    office.remove()


def close(office, folder, mode):
    for path in [office.base / folder, *(office.base / folder).rglob("*")]:
        os.chmod(path, mode if path.is_dir() else mode & 0o600)


def deleted(program):
    """Without its ledger the program must not build upon evidence that it does not know."""
    office = Office(program)
    office.run(FIRST_LOOK, "tick", check=0)
    office.run(due(0), "tick", check=0)
    shutil.rmtree(office.base / "state")
    done = office.run(due(1), "tick")
    assert done.returncode == 5, f"{done.returncode}: {done.said}"
    assert "not in the ledger" in done.said and "hint:" in done.said, done.said
    assert len(office.bags()) == 1, "a bag was added to evidence that is not known"
    verified = office.run(due(1), "archive", "verify")
    assert verified.returncode == 0, verified.said
    office.remove()


def put_back(program):
    """A ledger of last week beside newer evidence is refused; evidence of last week beside a
    newer ledger is refused. With both of one day everything goes on."""
    office = Office(program)
    office.run(FIRST_LOOK, "tick", check=0)
    office.run(due(0), "tick", check=0)
    last_week = office.copy()
    office.run(due(1), "tick", check=0)
    for folder, word in (("state", "not in the ledger"), ("evidence", "head that the ledger")):
        other = office.copy()
        shutil.rmtree(other.base / folder)
        shutil.copytree(last_week.base / folder, other.base / folder)
        before = other.bags()
        done = other.run(due(2), "tick")
        assert done.returncode == 5 and word in done.said, f"{folder}: {done.returncode} {done.said}"
        assert other.bags() == before, f"{folder}: evidence was added"
        if folder == "evidence":
            verified = other.run(due(2), "archive", "verify")
            assert verified.returncode == 1, "a cut end that the ledger knows is a fault"
        other.remove()
    # A whole backup of last week: the week since is made again, under its old Message-IDs.
    known = {mail: (office.base / "outbox" / mail).read_bytes() for mail in office.names("outbox")}
    last_week.come_to_rest(due(1))
    laws.check(last_week, due(1))
    assert set(last_week.names("outbox")) == set(known), "other Message-IDs for the same reports"
    office.remove()
    last_week.remove()


def two_at_once(program):
    """The second process ends at once and says who is there; the first notices nothing."""
    office = Office(program)
    office.run(FIRST_LOOK, "tick", check=0)
    daemon = subprocess.Popen(office.command(due(0), "daemon"), cwd=office.base,
                              stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while len(office.names("outbox")) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        for args in (["daemon"], ["tick"], ["run", "weekly"], ["deliver", "retry"], ["archive", "seal"]):
            done = office.run(due(0), *args)
            assert done.returncode == 2, f"{args}: {done.returncode}: {done.said}"
            assert f"process {daemon.pid}" in done.said, f"{args}: {done.said}"
        for args in (["status"], ["deliver", "list"], ["archive", "verify"], ["archive", "list"]):
            done = office.run(due(0), *args)
            assert done.returncode == 0, f"{args} only reads: {done.said}"
    finally:
        daemon.terminate()
        daemon.wait(30)
        daemon.stderr.close()
    assert daemon.returncode == 0, f"SIGTERM: {daemon.returncode}"
    laws.check(office, due(0))
    office.remove()


def many_at_once(program, processes):
    """As many looks at once as a careless crontab starts: one run, one mail each."""
    office = Office(program)
    office.run(FIRST_LOOK, "tick", check=0)
    running = [subprocess.Popen(office.command(due(0), "tick"), cwd=office.base,
                                stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
               for _ in range(processes)]
    codes = {process.wait(60) for process in running}
    assert codes <= {0, 2}, codes
    office.come_to_rest(later(due(0), minutes=5))
    laws.check(office, due(0), script=True)
    office.remove()


def run(report, options):
    report.case("state or evidence read-only", read_only, options.program)
    report.case("state deleted", deleted, options.program)
    report.case("state or evidence put back", put_back, options.program)
    report.case("two processes at once", two_at_once, options.program)
    report.case("eight looks at once", many_at_once, options.program, 8)
    report.figure("state: read-only, deleted, put back, two and eight at once")
