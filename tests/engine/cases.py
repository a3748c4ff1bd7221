"""What is compared, and what must be refused."""

import pathlib
import re
import subprocess
import tempfile
import time

import pyarrow as pa

from rows import HEAD, Draw, times, write

MAP = {"time": "date_time_utc", "message_id": "network_message_id", "direction": "direction",
       "connector": "connector_name", "tls": "tls_version", "recipient": "recipient_address",
       "forced_tls": "forced_tls"}
RANGE = ["--from", "2026-10-20", "--to", "2026-11-14"]


class Case:
    """A folder with settings; `source` is what stands under [[source]] both times."""

    def __init__(self, engine, options):
        self.engine, self.options = engine, options
        self.passed = self.failed = 0
        self.folder = tempfile.TemporaryDirectory(prefix="intransit-lake-")
        self.path = pathlib.Path(self.folder.name)

    def check(self, name, holds, why=""):
        self.passed += bool(holds)
        self.failed += not holds
        print(f"{'ok' if holds else 'FAILED'}  {name}{'' if holds else ': ' + str(why)}", flush=True)

    def report(self, source, zone, args, env=None):
        settings = self.path / "intransit.toml"
        settings.write_text(f'timezone = "{zone}"\n[[source]]\n{source}')
        command = [self.options.program, "report", "--config", settings, "--json", *args]
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd=self.path)

    def asked(self, where, more=""):
        return f'engine = "spark-connect"\nurl = "{self.engine.url}"\nsecurity = "none-loopback-only"\n{where}\n{more}'

    def same(self, name, file, zone="America/Sao_Paulo", args=(), source=""):
        """The periods of both ways are the same bytes, and rows went where they went."""
        local = self.report(f'path = "{file}"\n{source}', zone, args)
        begun = time.monotonic()
        lake = self.report(self.asked(f'path = "{file}"', source), zone, args)
        took = time.monotonic() - begun
        if local.returncode or lake.returncode:
            return self.check(name, False, local.stderr + lake.stderr)
        periods = [cut(one.stdout, "periods", "sources") for one in (local, lake)]
        rows = [facts(one.stdout) for one in (local, lake)]
        if periods[0] != periods[1] or rows[0] != rows[1]:
            for text, kind in zip((local.stdout, lake.stdout), ("local", "lake")):
                pathlib.Path(tempfile.gettempdir(), f"intransit-{kind}.json").write_text(text)
        self.check(f"{name}: the periods are the same bytes ({len(periods[0])}, {took:.1f} s)",
                   periods[0] == periods[1] and '"messages": 0' != periods[0],
                   first_difference(*periods))
        self.check(f"{name}: rows went where they went", rows[0] == rows[1], rows)

    def refused(self, name, code, words, source, zone="UTC", args=(), env=None):
        done = self.report(source, zone, args, env)
        holds = done.returncode == code and all(word in done.stderr for word in words)
        self.check(name, holds and not done.stdout, f"exit {done.returncode}: {done.stderr}")
        return done.stderr


def cut(text, key, end):
    start = text.index(f'\n  "{key}": ')
    return text[start:text.index(f'\n  "{end}": ', start)]


def facts(text):
    """Numbers of the source and of the rejects: names and examples differ."""
    of_source = cut(text, "sources", "skipped")
    numbers = re.findall(r'"(rows|counted|merged|duplicates|internal|outside_period|rejected|tls_known)": (\d+)', of_source)
    reasons = re.findall(r'"reason": "([a-z0-9-]+)".*?"count": (\d+)', cut(text, "rejects", "tls_rpt"), re.S)
    return numbers, reasons


def first_difference(a, b):
    for number, (one, other) in enumerate(zip(a.splitlines(), b.splitlines()), 1):
        if one != other:
            return f"line {number}: files `{one.strip()}`, engine `{other.strip()}`"
    return f"{len(a)} and {len(b)} bytes"


def column_map(**changes):
    lines = "\n".join(f'{key} = "{name}"' for key, name in dict(MAP, **changes).items() if name)
    return f"[source.columns]\n{lines}"


def counted(case, draw):
    rows = draw.rows(case.options.rows)
    nasty = case.path / "nasty.parquet"
    write(nasty, rows)
    case.same("texts", nasty)
    case.same("texts, a range", nasty, "Australia/Lord_Howe", [*RANGE])
    case.same("texts, one connector", nasty, args=["--connector", "Relais, scanners 07", "--as-of", "2026-11-12"])
    case.same("texts, a zone of their own", nasty, "Europe/Paris", [*RANGE, "--period", "week"], 'timezone = "Europe/Paris"')
    case.same("texts, a direction for those that do not say", nasty, "Asia/Kolkata", source='direction = "outbound"')
    case.same("texts, a map", nasty, source=column_map())

    plain = case.path / "anonymous.parquet"
    some = [row[:1] + row[3:] for row in rows[: len(rows) // 4]] * 2
    write(plain, some, HEAD[:1] + HEAD[3:])
    case.same("no identity", plain)
    summary = case.path / "summary.parquet"
    write(summary, [row[:9] for row in rows], HEAD[:9])
    case.same("no TLS column", summary)

    timed = times(rows, draw)
    instants = case.path / "instants.parquet"
    write(instants, timed, types={"date_time_utc": pa.timestamp("us", "UTC")})
    case.same("instants", instants, "America/New_York", ["--as-of", "2026-11-13"])
    local = case.path / "local.parquet"
    write(local, timed, types={"date_time_utc": pa.timestamp("us")})
    case.same("local times", local, "Europe/Paris", RANGE, 'timezone = "Europe/Paris"')
    flags = case.path / "flags.parquet"
    head = HEAD + ["forced", "code"]
    more = [row + [draw.choice([True, False, None]), draw.choice([0, 64, 1024, 2048, 4096, 5, None])] for row in rows]
    write(flags, more, head, {"forced": pa.bool_(), "code": pa.int64()})
    case.same("flags and numbers", flags, source=column_map(forced_tls="forced", tls="code"))
    culture = case.path / "culture.parquet"
    dates = ["9/11/2026 3:04:05 PM", "09.11.2026 15:04", "31/12/2026", "12-10-2026 00:00", "13/13/2026",
             "9/11/2026", "9/11-2026", "1/2/20261", "9/11/2026 13:00 AM"]
    write(culture, [[draw.choice(dates)] + row[1:] for row in rows])
    case.same("days first", culture, source='dates = "day-first"', args=["--as-of", "2026-11-12"])
    return nasty, culture, instants


def refusals(case, nasty, culture, instants):
    asked = case.asked
    case.refused("dates whose order nobody knows", 3, ["day/month", "hint: say dates"], asked(f'path = "{culture}"'))
    case.refused("a table that is not there", 3, ["the engine", "says", "traces"], asked('table = "nowhere.traces"'))
    case.refused("an answer that is too long", 3, ["more than 5 rows", "row_limit"],
                 asked(f'path = "{nasty}"', "row_limit = 5"))
    case.refused("a column that cannot be read", 3, ["date_time_utc", "cast it to text"],
                 asked(f'path = "{instants}"', column_map(message_id="date_time_utc", time="message_id")))
    secret = case.path / "token"
    secret.write_text("hunter2-secret\n")
    secret.chmod(0o600)
    said = case.refused("an engine that is away", 3, ["is away", "hint:"],
                        'engine = "spark-connect"\nurl = "sc://127.0.0.1:9"\nsecurity = "none-loopback-only"\n'
                        f'path = "{nasty}"\ntoken_file = "{secret}"')
    case.check("no secret is shown", "hunter2" not in said, said)
    said = case.refused("an engine without TLS", 3, ["does not answer as a Spark Connect server", "security"],
                        f'engine = "spark-connect"\nurl = "{case.engine.url}"\npath = "{nasty}"\n'
                        f'token_file = "{secret}"\ntime_limit = "6s"')
    case.check("no secret is shown then", "hunter2" not in said, said)


def filed(case, nasty):
    """A report is filed with the answer, and made again from it when the engine is gone."""
    settings = case.path / "intransit.toml"
    source = case.asked(f'path = "{nasty}"')
    settings.write_text(f'timezone = "UTC"\n[archive]\ninputs = "copy"\n[[source]]\n{source}')
    base = [case.options.program]
    run = lambda *args: subprocess.run([*base, *args], capture_output=True, text=True, cwd=case.path)
    done = run("report", "--archive", "--json")
    case.check("a report is filed", done.returncode == 0 and '"query": "WITH' in done.stdout, done.stderr)
    settings.write_text(settings.read_text().replace(case.engine.url, "sc://127.0.0.1:9"))
    made = run("archive", "reproduce", "1")
    case.check("and made again from the filed answer", made.returncode == 0, made.stdout + made.stderr)


def run(engine, options):
    case = Case(engine, options)
    nasty, culture, instants = counted(case, Draw(options.seed))
    refusals(case, nasty, culture, instants)
    filed(case, nasty)
    print(f"{case.passed} passed, {case.failed} failed")
    raise SystemExit(case.failed > 0)
