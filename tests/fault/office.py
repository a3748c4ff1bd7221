"""An installation in a folder of its own: settings, one weekly schedule, traces, a key."""

import datetime
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile

MONDAY = datetime.datetime(2026, 11, 16, 10, 0, tzinfo=datetime.timezone.utc)
"""When the first report is due: seven in the morning in Sao Paulo, three hours behind UTC."""
FIRST_LOOK = "2026-11-12T00:00:00Z"
RECIPIENTS = ["auditor@contoso.example", "officer@contoso.example"]

SCHEDULE = """cron = "0 7 * * MON"
timezone = "America/Sao_Paulo"
periods = ["week"]
missed_window = "3650d"

[[source]]
path = "traces/*.csv"

[[recipient]]
address = "auditor@contoso.example"
attach = ["pdf", "csv"]

[[recipient]]
address = "officer@contoso.example"
"""


def due(week):
    """When the report of a week is due, the first being week 0."""
    return MONDAY + datetime.timedelta(weeks=week)


def text(instant):
    """An instant as `--now` takes it."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def later(instant, **by):
    return instant + datetime.timedelta(**by)


class Office:
    """One installation; `copy` makes another that is the same."""

    def __init__(self, program, port=None, first="2026-10-01", days=80, where=None, mail=""):
        self.program = program
        self.base = pathlib.Path(where or tempfile.mkdtemp(prefix="intransit-fault-", dir=memory()))
        self.add("schedules/weekly.toml", SCHEDULE)
        self.settings(port, mail)
        self.traces(first, days)
        key = self.base / "keys/archive_ed25519"
        key.parent.mkdir(mode=0o700)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True
        )

    def settings(self, port=None, mail="", keep="6y"):
        way = 'transport = "folder"\n' if port is None else (
            'transport = "smtp"\nhost = "127.0.0.1"\nsecurity = "none-loopback-only"\n'
            f'port = {port}\nlongest_wait = "5s"\n'
        )
        self.add(
            "intransit.toml",
            '[report]\norganisation = "Contoso"\n\n[mail]\n'
            'from = "Mail audit <mail-audit@contoso.example>"\n'
            f'{mail or way}\n[archive]\nsigning_key = "keys/archive_ed25519"\nkeep = "{keep}"\n',
        )

    def traces(self, first, days):
        """Two messages a day at noon UTC."""
        day = datetime.date.fromisoformat(first)
        rows = ["date_time_utc,network_message_id,direction,connector_name,tls_version,"
                "sender_address,recipient_address"]
        for _ in range(days):
            rows.append(f"{day}T12:00:00Z,a{day},Inbound,Fabrikam,TLS1.2,a@x.example,b@y.example")
            rows.append(f"{day}T12:30:00Z,b{day},Outbound,,TLS1.3,b@y.example,a@x.example")
            day += datetime.timedelta(days=1)
        self.add("traces/all.csv", "\r\n".join(rows) + "\r\n")

    def add(self, name, content):
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, newline="")

    def copy(self):
        """The same office, elsewhere."""
        other = object.__new__(Office)
        other.program = self.program
        other.base = pathlib.Path(tempfile.mkdtemp(prefix="intransit-fault-", dir=memory()))
        shutil.copytree(self.base, other.base, symlinks=True, dirs_exist_ok=True)
        return other

    def remove(self):
        shutil.rmtree(self.base, ignore_errors=True)

    def command(self, now, *args):
        clock = ["--now", now if isinstance(now, str) else text(now)] if now else []
        return [str(self.program), *clock, *args]

    def run(self, now, *args, before=(), check=None, env=None, timeout=120):
        """Runs the program; `before` stands before it on the command line."""
        done = subprocess.run(
            [*before, *self.command(now, *args)], cwd=self.base, capture_output=True,
            stdin=subprocess.DEVNULL, timeout=timeout, env={**os.environ, **(env or {})},
        )
        done.said = done.stderr.decode(errors="replace")
        if check is not None and done.returncode != check:
            raise AssertionError(
                f"{' '.join(args)} ended with {done.returncode}, not {check}: {done.said}"
            )
        return done

    def select(self, sql):
        """Rows of a query on the ledger."""
        ledger = sqlite3.connect(self.base / "state/ledger.db")
        try:
            return ledger.execute(sql).fetchall()
        finally:
            ledger.close()

    def names(self, folder):
        path = self.base / folder
        return sorted(os.listdir(path)) if path.is_dir() else []

    def bags(self):
        return [name for name in self.names("evidence/bags") if not name.startswith(".")]

    def come_to_rest(self, now, looks=4, codes=(0,)):
        """Undisturbed looks with hours between them; the last one ends with one of `codes`."""
        for look in range(looks):
            self.run(later(now, hours=2 * look), "tick")
        last = self.run(later(now, hours=2 * looks), "tick")
        assert last.returncode in codes, f"not at rest: {last.returncode}: {last.said}"
        return later(now, hours=2 * looks)


def memory():
    """A folder in memory where there is one: nothing here depends on a real disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
