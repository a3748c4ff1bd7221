CREATE TABLE schedule (
    name   TEXT PRIMARY KEY,
    seen   TEXT NOT NULL,
    cursor TEXT NOT NULL
) STRICT;

CREATE TABLE run (
    schedule  TEXT NOT NULL,
    nominal   TEXT NOT NULL,
    revision  INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 1),
    zone      TEXT NOT NULL,
    due_at    TEXT NOT NULL,
    trigger   TEXT NOT NULL CHECK (trigger IN ('schedule', 'manual')),
    state     TEXT NOT NULL CHECK (state IN ('due', 'running', 'done', 'failed', 'skipped')),
    reason    TEXT,
    next_at   TEXT,
    attempts  INTEGER NOT NULL DEFAULT 0,
    started   TEXT,
    finished  TEXT,
    sealing   TEXT,
    seq       INTEGER UNIQUE,
    bag       TEXT UNIQUE,
    PRIMARY KEY (schedule, nominal, revision),
    CHECK ((state = 'done') = (bag IS NOT NULL)),
    CHECK ((seq IS NULL) = (bag IS NULL)),
    CHECK (state NOT IN ('failed', 'skipped') OR reason IS NOT NULL)
) STRICT;

CREATE TABLE head (
    seq    INTEGER PRIMARY KEY CHECK (seq >= 1),
    bag    TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    time   TEXT NOT NULL
) STRICT;

CREATE TABLE outbox (
    message_id TEXT PRIMARY KEY,
    schedule   TEXT NOT NULL,
    nominal    TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    purpose    TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    sender     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN
        ('queued', 'sending', 'delivered', 'refused', 'in-doubt', 'expired', 'held')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    doubts     INTEGER NOT NULL DEFAULT 0,
    created    TEXT NOT NULL,
    updated    TEXT NOT NULL,
    next_at    TEXT,
    bytes      BLOB NOT NULL,
    small_id   TEXT UNIQUE,
    small      BLOB,
    phase      TEXT,
    reply      TEXT,
    relay      TEXT,
    tls        TEXT,
    cipher     TEXT,
    certificate_sha256 TEXT,
    filed      INTEGER,
    UNIQUE (schedule, nominal, revision, purpose, recipient),
    CHECK ((small IS NULL) = (small_id IS NULL)),
    CHECK ((next_at IS NOT NULL) = (state IN ('queued', 'in-doubt')))
) STRICT;

CREATE TABLE attempt (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    at         TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    phase      TEXT,
    reply      TEXT NOT NULL,
    relay      TEXT,
    tls        TEXT,
    cipher     TEXT,
    certificate_sha256 TEXT
) STRICT;

CREATE TABLE relay (
    name           TEXT PRIMARY KEY,
    failures       INTEGER NOT NULL,
    parked_until   TEXT NOT NULL,
    needs_a_person INTEGER NOT NULL CHECK (needs_a_person IN (0, 1)),
    why            TEXT NOT NULL
) STRICT;
