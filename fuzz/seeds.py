#!/usr/bin/env python3
"""Writes the seeds of a fuzz target into a folder, and a dictionary beside it:
`seeds.py TARGET FOLDER`.

They are not kept as files of their own. They come from what the tests read: the captures and
demonstration traces of tests/data, in pieces, and the texts that stand in the tests' source.
"""

import gzip
import hashlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LITERAL = re.compile(r'r(#+)"(.*?)"\1|"((?:[^"\\]|\\.)*)"', re.S)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", '"': '"', "'": "'", "\\": "\\"}

# Target: sources whose texts are its seeds, and the bytes that choose how they are read.
TEXTS = {
    "table": (["tests/it/kinds.rs", "tests/it/files.rs", "tests/it/rules.rs", "tests/it/hostile.rs",
               "tests/it/laws.rs", "src/ingest/csv.rs", "src/ingest/json.rs", "src/ingest/time.rs",
               "src/ingest/connector_report.rs", "src/ingest/messages.rs"], [0, 1, 2, 3, 4]),
    "events": (["tests/it/kinds.rs", "src/ingest/events.rs", "src/ingest/custom_data.rs"], [0, 1, 2]),
    "mta_logs": (
        ["src/ingest/log/postfix", "src/ingest/log/exim", "src/ingest/log/sendmail",
         "src/ingest/log/opensmtpd", "src/ingest/log", "tests/it/logs.rs"],
        [0, 1, 2, 3, 4],
    ),
    "exchange": (["src/ingest/log/exchange"], [0, 1, 2]),
    "cloud": (["src/ingest/cloud", "tests/it/cloud.rs"], [0, 1, 2, 3]),
    "tls_rpt": (["src/ingest/tls_rpt", "tests/it/tls_rpt.rs"], [None]),
    "container": (["tests/it/files.rs", "tests/it/support.rs"], [0, 1, 2, 3]),
    "settings": (["tests/it", "src/config", "src/run", "intransit.toml", "schedules"], [None]),
    "cron": (["src/schedule", "src/schedule.rs", "tests/it/schedule.rs"], [None]),
    "archive": ([], [None]),
    "smtp": (["tests/it/smtp.rs", "tests/it/fault_server.rs", "src/deliver"], [0, 1, 2, 8]),
    "branding": (["src/render/branding", "tests/it/branding.rs", "templates"], [0, 2, 3, 7, 11, 15]),
    "keys": (["src/archive", "tests/it/evidence_verify.rs"], [0, 1, 2, 3, 4, 5, 6]),
}
LINES = 40  # of a capture in one seed
LONGEST = 12_000


def unescape(text):
    text = re.sub(r"\\\n\s*", "", text)
    text = re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda found: chr(int(found[1], 16)), text)
    text = re.sub(r"\\x([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text)


def texts(places, least=8):
    for place in places:
        place = ROOT / place
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if not file.is_file() or file.suffix in {".ttf", ".icc"}:
                continue
            source = file.read_text(errors="replace")
            if file.suffix != ".rs":
                yield source.encode()
                continue
            for found in LITERAL.finditer(source):
                text = found[2] if found[2] is not None else unescape(found[3])
                if len(text) >= least:
                    yield text.encode()


def words(places):
    """Short texts of the sources: what a parser looks for is worth putting anywhere."""
    found = set()
    for text in texts(places, least=2):
        if len(text) <= 24 and all(32 <= byte < 127 for byte in text):
            found.add(text.decode().replace("\\", "\\\\").replace('"', '\\"'))
    return sorted(found)


def pieces(path):
    """A text file, so many lines at a time; of a table each piece has its header."""
    lines = path.read_bytes().splitlines(keepends=True)
    head = lines[:1] if path.suffix == ".csv" else []
    for start in range(0, min(len(lines), 20 * LINES), LINES):
        body = lines[start:start + LINES]
        yield b"".join(head + body if start else body)


def data(target):
    captures, demo = ROOT / "tests/data/captures", ROOT / "tests/data/demo"
    if target == "mta_logs":
        kinds = {"postfix": 0, "postfix310": 0, "exim": 1, "exim498": 1, "sendmail": 2, "opensmtpd": 3}
        for path in sorted(captures.rglob("*.log")):
            for piece in pieces(path):
                yield bytes([kinds[path.relative_to(captures).parts[0]]]) + piece
                yield bytes([4]) + piece
    if target in {"table", "container"}:
        for path in sorted(demo.glob("*.csv")):
            yield b"\0" + b"".join(list(pieces(path))[:1])
        for path in sorted(demo.glob("*.gz")):
            text = b"".join(gzip.open(path).read().splitlines(keepends=True)[:LINES])
            yield b"\0" + text
            yield b"\0" + gzip.compress(text, mtime=0)


def own(target):
    """Seeds for what the tests make by code."""
    if target == "archive":
        for what in range(9):
            for which in range(0, 30, 2):
                yield bytes([what, which, 0, which]) + b"changed!"
        yield b""
    if target == "smtp":
        hello = b"220 mx.example ESMTP\r\n\x00250-mx.example\r\n250-SIZE 1000\r\n250-AUTH PLAIN XOAUTH2\r\n250 SMTPUTF8\r\n"
        rest = [b"235 2.7.0 ok", b"250 ok", b"250 ok", b"354 go on", b"250 2.0.0 queued", b"221 bye"]
        for choice in (0, 1, 2, 4, 8):
            lines = rest[1:] if choice & 2 else rest
            yield bytes([choice]) + b"\0".join([hello] + [line + b"\r\n" for line in lines])
    if target == "cron":
        for number, line in enumerate(["0 7 * * MON", "30 2 * * SUN", "@weekly", "0 0 8 ? * FRI#L",
                                       "*/20 1 * * *", "0 0 L * *", "0 15 2 29 2 MON 2028"]):
            yield bytes([number, 40 * number, 0x69, number, 0, 0]) + line.encode()


def main():
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    places, choices = TEXTS[target]
    dictionary = "".join(f'"{word}"\n' for word in words(places))
    folder.with_suffix(".dict").write_text(dictionary)
    seeds = list(own(target)) + list(data(target))
    for text in texts(places):
        prefix = b"\0\x30\x69\0\0\0" if target == "cron" else b""
        for choice in choices:
            first = b"" if choice is None else bytes([choice])
            seeds.append(prefix + first + text)
    for seed in seeds:
        if len(seed) <= LONGEST:
            (folder / hashlib.sha256(seed).hexdigest()[:24]).write_bytes(seed)


main()
