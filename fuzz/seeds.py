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
    if target == "cloud":
        for number, record in enumerate([GMAIL, MIMECAST, PROOFPOINT]):
            for choice in (number, 3):
                yield bytes([choice]) + record.encode() + b"\n" + record.encode() + b"\n"
    if target == "exchange":
        logs = [log.replace("\n", "\r\n").encode() for log in EXCHANGE]
        for number, log in enumerate(logs):
            for choice in (min(number, 1), 2):
                yield bytes([choice]) + log
        for joined in ([0, 1], [0, 2], [0, 1, 2], [1, 0], [1, 2]):
            yield bytes([5]) + b"\xff".join(logs[number] for number in joined)
    if target == "cron":
        for number, line in enumerate(["0 7 * * MON", "30 2 * * SUN", "@weekly", "0 0 8 ? * FRI#L",
                                       "*/20 1 * * *", "0 0 L * *", "0 15 2 29 2 MON 2028"]):
            yield bytes([number, 40 * number, 0x69, number, 0, 0]) + line.encode()


# Whole records, which the tests put together by code.
GMAIL = (
    '{"event_info":{"timestamp_usec":1794214800000000,"success":true},"message_info":'
    '{"action_type":1,"rfc2822_message_id":"<1@example.net>","source":{"service":"smtp-inbound",'
    '"address":"bo@example.net"},"destination":[{"service":"gmail-ui","address":'
    '"ana@example.com"}],"connection_info":{"smtp_tls_state":1,"smtp_tls_version":"TLSv1.3",'
    '"smtp_tls_cipher":"ECDHE","smtp_reply_code":250,"smtp_in_connect_ip":"198.51.100.7",'
    '"smtp_out_remote_host":"mx.example.net"}}}'
)
MIMECAST = (
    '{"datetime":"2026-11-09T10:00:00+0000","aCode":"abc","acc":"C1","Dir":"Inbound",'
    '"Sender":"bo@example.net","Rcpt":"ana@example.com","MsgId":"<1@example.net>","Act":"Acc",'
    '"TlsVer":"TLSv1.2","Cphr":"ECDHE","IP":"198.51.100.7","Route":"Fabrikam","Delivered":true,'
    '"UseTls":"Yes","type":"receipt"}'
)
PROOFPOINT = (
    '{"guid":"1","ts":"2026-11-09T10:00:00.000000+0000","connection":{"ip":"198.51.100.7",'
    '"host":"mx.example.net","tls":{"inbound":{"version":"TLSv1.2","cipher":"ECDHE"}}},'
    '"envelope":{"from":"bo@example.net","rcpts":["ana@example.com"]},"filter":{"routes":'
    '["default_inbound"],"routeDirection":"inbound"},"msg":{"header":{"message-id":'
    '["<1@example.net>"]}}}'
)
TRACKING = (
    "#Software: Microsoft Exchange Server\n#Version: 15.01.2507.006\n"
    "#Log-type: Message Tracking Log\n#Date: 2026-11-21T10:00:00.000Z\n"
    "#Fields: date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,"
    "connector-id,source,event-id,internal-message-id,message-id,network-message-id,"
    "recipient-address,recipient-status,total-bytes,recipient-count,related-recipient-address,"
    "reference,message-subject,sender-address,return-path,message-info,directionality,tenant-id,"
    "original-client-ip,original-server-ip,custom-data\n"
    "2026-11-21T10:00:30.000Z,198.51.100.7,mx.example.net,192.0.2.1,EXCH01,08DE1F5A00010000;2026-11-21T10:00:00.000Z;1,"
    "EXCH01\\Default EXCH01,SMTP,RECEIVE,1,<1@example.net>,4b7f0a52-4f0e-4f4d-9d3a-08de1f5a0001,"
    "ana@contoso.example,,1000,1,,,x,bo@example.net,bo@example.net,0cI:,Incoming,,198.51.100.7,"
    "192.0.2.1,S:FirstForestHop=EXCH01;S:tlsversion=SP_PROT_TLS1_2_SERVER\n"
    "2026-11-21T10:01:30.000Z,192.0.2.1,EXCH01,203.0.113.5,mx.example.org,08DE,To Internet,SMTP,"
    "SENDEXTERNAL,2,<2@contoso.example>,4b7f0a52-4f0e-4f4d-9d3a-08de1f5a0002,cy@example.org,250 ok,"
    "1000,1,,,x,ana@contoso.example,ana@contoso.example,,Originating,,,,S:E2ELatency=1\n"
)
CIPHER = ("negotiation succeeded using bulk encryption algorithm CALG_AES_256 with strength 256 bits, "
          "MAC hash algorithm CALG_SHA_384 with strength 0 bits and key exchange algorithm "
          "CALG_ECDH_EPHEM with strength 384 bits")


def protocol(side, connector, session, local, remote, lines):
    """A protocol log of one session; a line is its event, data and context."""
    return (
        f"#Software: Microsoft Exchange Server\n#Version: 15.0.0.0\n#Log-type: SMTP {side} Protocol Log"
        "\n#Date: 2026-11-21T10:00:00.000Z\n#Fields: date-time,connector-id,session-id,sequence-number,"
        "local-endpoint,remote-endpoint,event,data,context\n"
        + "".join(
            f"2026-11-21T10:00:{number:02}.000Z,{connector},{session},{number},{local},{remote},{line}\n"
            for number, line in enumerate(lines)
        )
    )


RECEIVED = [
    "+,,", ">,220 EXCH01 ready,", "<,EHLO mx.example.net,", "<,STARTTLS,", ">,220 2.0.0 SMTP server ready,",
    "*,,Sending certificate", f"*,,\"TLS protocol SP_PROT_TLS1_2_SERVER {CIPHER}\"",
    "<,MAIL FROM:<bo@example.net> SIZE=10,", "*,08DE1F5A00010000;2026-11-21T10:00:00.000Z;1,receiving message",
    "<,RCPT TO:<ana@contoso.example>,", ">,250 2.1.0 Sender OK,", ">,250 2.1.5 Recipient OK,", "<,BDAT 5 LAST,",
    ">,250 2.6.0 <1@example.net> [InternalId=1] Queued mail for delivery,", "<,QUIT,", "-,,Local",
]
SENT = [
    "*,,attempting to connect", "+,,", "<,220 mx.example.org ESMTP,", ">,EHLO EXCH01,", "<,250 STARTTLS,",
    ">,STARTTLS,", "<,220 go,", f"*,,\"TLS protocol SP_PROT_TLS1_3_CLIENT {CIPHER}\"",
    "*,,\"Received certificate\"", "*,,sending message with RecordId 2 and InternetMessageId <2@contoso.example>",
    ">,MAIL FROM:<ana@contoso.example>,", ">,RCPT TO:<cy@example.org>,", "<,250 ok,", "<,250 ok,",
    ">,BDAT 5 LAST,", "<,250 2.0.0 queued as A1,", ">,QUIT,", "-,,Local",
]
EXCHANGE = [
    TRACKING,
    protocol("Receive", "EXCH01\\Default EXCH01", "08DE1F5A00010000", "192.0.2.1:25",
             "198.51.100.7:4711", RECEIVED),
    protocol("Send", "To Internet", "08DE1F5A00020000", "192.0.2.1:4712", "203.0.113.5:25", SENT),
]


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
