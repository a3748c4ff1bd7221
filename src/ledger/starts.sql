CREATE TABLE IF NOT EXISTS start (
    schedule TEXT NOT NULL,
    nominal  TEXT NOT NULL,
    revision INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (schedule, nominal, revision)
) STRICT;
