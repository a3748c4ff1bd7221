"""Tables with everything that makes counting hard."""

import datetime
import random

import pyarrow as pa
import pyarrow.parquet as parquet

TLS = ["TLS1.2", "TLS1_3", "TLSv1.3", "TLS 1.0", "No Tls", "", "Unknown", "none",
       "SP_PROT_TLS1_2_CLIENT", "0x400", "2048", "TLS1.4", "SSLv3", "yes", "tlsv1/sslv3", " TLS1.2 ",
       "\u00a0TLSv1\u3000", None, "SSL 2.0", "maybe", "1.1", "tls_1_1", "0", "+0064",
       "spprot-tls13server", "0x+0020", "TLS1.22", "99", "SSL", "use_tls:No"]
DIRECTIONS = ["Received", "Sent", "Inbound", "outbound", "internal", "intra-org", "Undefined", "",
              None, "sideways", " Sent? ", "IN_BOUND", "2", "1", "undefined", "Originating\u2003"]
CONNECTORS = ["Fabrikam inbound", "Relais, scanners 07", "", None, "NoConnector", "no connector",
              "To_DefaultOpportunisticTLS", " Trimmed ", "Société «É»", "it's \\ back`tick", "\U0001f4e7"]
TYPES = ["Partner", "on-premises", "From your org", "None", None, "weird", "NoConnector"]
FLAGS = ["True", "no", "1", "required", None, "perhaps"]
DOMAINS = ["Contoso.example", "fabrikam.example", "sub.Fabrikam.example.", "ex ample", "ÉCOLE.example",
           "x.example>", "y.example\"'", "a" * 260 + ".example"]
FORMS = ["%Y-%m-%dT%H:%M:%S.1234567Z", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S",
         "%Y-%m-%dT%H:%M:%S+02:00", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y-%m-%dt%H:%M:%S,5 UTC",
         "%Y-%m-%d, %I:%M:%S %p", "  %Y-%m-%dT%H:%M:%S.999999999-0330 ", "powershell"]
NO_TIMES = ["", None, "x", "2026-13-01", "2026-02-30T00:00:00Z", "2026-11-09T25:00:00",
            "2026-11-09T10:61:00", "2026-11-09T10:00:00.", "2026-11-09T10:00:00Zx", "1969-12-31",
            "2200-01-01", "2026-11-09T10:00:00+99:00", "2026-11-09T10:00:00.12345678901Z",
            "2026-11-09T10000000000:00", "/Date(x)/", "/Date(99999999999999999999)/",
            "2026-11-09T13:00 PM", "0000-00-00", "2023-02-29", "2026-11-09T10:00:00+1:5",
            "2026-11-09T10:00:00+:1:2:3:4", "é026-11-09"]
HEAD = ["date_time_utc", "message_id", "network_message_id", "sender_address", "recipient_address",
        "direction", "connector_name", "connector_type", "forced_tls", "tls_version"]


class Draw:
    """Draws rows; the same seed gives the same."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.choice = self.random.choice

    def chance(self, share):
        return self.random.random() < share

    def address(self):
        return self.choice(["ana@", "<ana@", '"A;B"<a@b@', "", " @ ", "nobody"]) + self.choice(DOMAINS)

    def addresses(self):
        one = lambda: self.address() + self.choice(["", " ", "##Receive, Deliver", "## x@evil.example"])
        return ";".join(one() for _ in range(self.choice([1, 1, 1, 2, 3])))

    def moment(self):
        """Some moment; often around a local midnight and a change of the clock."""
        if self.chance(0.3):
            day, hour, edge = self.random.randrange(5, 16), self.choice([2, 3]), self.choice([0, 59])
            return datetime.datetime(2026, 11, day, hour, edge, edge)
        if self.chance(0.2):
            return datetime.datetime(2026, 10, 25) + datetime.timedelta(seconds=self.random.randrange(20_000))
        start = datetime.datetime(2026, 10, 1)
        return start + datetime.timedelta(seconds=self.random.randrange(40 * 86400))

    def stamp(self):
        form, moment = self.choice(FORMS), self.moment()
        if form == "powershell":
            return f"/Date({int(moment.timestamp()) * 1000})/"
        return moment.strftime(form)

    def mostly(self, usual, all):
        return self.choice(usual if self.chance(0.8) else all)

    def rows(self, count):
        rows, ids = [], []
        while len(rows) < count:
            id = f"{self.random.getrandbits(128):032x}"
            if ids and self.chance(0.35):
                id = self.choice(ids[-60:])
            ids.append(id)
            header = f"<{id[:8]}@Mail.example>"
            row = [self.choice(NO_TIMES) if self.chance(0.08) else self.stamp(),
                   self.choice([header, header, None, ""]),
                   self.choice([id, id.upper(), f"{{{id}}}", f" {id}\t", id, id, None, "", "{}"]),
                   self.address(), self.addresses(), self.mostly(DIRECTIONS[:4], DIRECTIONS),
                   self.choice(CONNECTORS), self.choice(TYPES), self.choice(FLAGS),
                   self.mostly(TLS[:8], TLS)]
            rows.append(row)
            if self.chance(0.05):
                rows.append(list(row))
            if self.chance(0.05):
                rows.append(row[:4] + [self.addresses()] + row[5:9] + [self.choice(["", "TLS1.2"])])
        return rows


def write(path, rows, head=HEAD, types=None):
    types = types or {}
    columns = {name: pa.array(column, types.get(name, pa.string()))
               for name, column in zip(head, zip(*rows))}
    parquet.write_table(pa.table(columns), path)


def times(rows, draw):
    """The same rows with times of a type of their own."""
    zero = datetime.datetime(1970, 1, 1)
    odd = [None, zero - datetime.timedelta(seconds=1), datetime.datetime(2105, 1, 1),
           datetime.datetime(2104, 12, 31, 23, 59, 59)]
    return [[draw.choice(odd) if draw.chance(0.05) else
             draw.moment() + datetime.timedelta(microseconds=draw.random.randrange(10**6))] + row[1:]
            for row in rows]
