"""What the tables look like, and how a file of an earlier version becomes one of this one.

The rule of this file: a migration that was released is never edited; a new one is added at the end. `user_version` is
how many of them a file has been through. Each runs in a transaction of its own, so that a file is of one version or of
the next.

*crc* is the CRC-32 of what the row says and of whom: a disk that flips a bit makes a row that is not believed.
"""

APPLICATION_ID = 0x6D61646E  # "madn": what tells this file from the database of another program

_FIRST = """
CREATE TABLE pools (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE addresses (  -- all that is known of an address, when that last changed; the time is that of the sample
    pool INTEGER NOT NULL,
    address BLOB NOT NULL,
    sampled_at REAL NOT NULL,
    state TEXT NOT NULL,
    crc INTEGER NOT NULL,
    gone_at REAL,  -- since when it is not configured
    PRIMARY KEY (pool, address)
) WITHOUT ROWID;
CREATE TABLE times (  -- when neighbours were last sampled, as 32-bit seconds, from the first one on
    pool INTEGER NOT NULL,
    first BLOB NOT NULL,
    seconds BLOB NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (pool, first)
) WITHOUT ROWID;
CREATE TABLE helos (
    pool INTEGER NOT NULL,
    name TEXT NOT NULL,
    sampled_at REAL NOT NULL,
    state TEXT NOT NULL,
    crc INTEGER NOT NULL,
    gone_at REAL,
    PRIMARY KEY (pool, name)
) WITHOUT ROWID;
CREATE TABLE changes (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    pool TEXT NOT NULL,
    target TEXT NOT NULL,  -- the address, or the domain
    name TEXT NOT NULL,  -- of the check
    change TEXT NOT NULL,
    evidence TEXT NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX changes_of_target ON changes (target, number);
CREATE INDEX changes_of_pool ON changes (pool, number);
"""

_NOTES = """
CREATE TABLE notes (  -- what others of the exporter want to know after a restart
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    at REAL NOT NULL,
    value TEXT NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE INDEX changes_by_time ON changes (at);
"""

_DOMAINS = """
CREATE TABLE domains (  -- all that is known of a domain
    name TEXT NOT NULL PRIMARY KEY,
    sampled_at REAL NOT NULL,
    state TEXT NOT NULL,
    crc INTEGER NOT NULL,
    gone_at REAL  -- since when it is not configured
) WITHOUT ROWID;
"""

_BLOCKLISTS = """
CREATE TABLE listings (  -- what a list says of neighbours, from the first one on: an octet each, 2 for those listed
    zone TEXT NOT NULL,
    pool TEXT NOT NULL,
    first BLOB NOT NULL,
    at REAL NOT NULL,  -- when the list was last asked about one of them
    octets BLOB NOT NULL,
    listed TEXT NOT NULL,  -- the findings of those that are, by their place
    crc INTEGER NOT NULL,
    gone_at REAL,
    PRIMARY KEY (zone, pool, first)
) WITHOUT ROWID;
CREATE TABLE blocklists (  -- how a list is, and where the way through the addresses stands
    zone TEXT NOT NULL PRIMARY KEY,
    at REAL NOT NULL,
    state TEXT NOT NULL,
    crc INTEGER NOT NULL,
    gone_at REAL
) WITHOUT ROWID;
"""

MIGRATIONS = (_FIRST, _NOTES, _DOMAINS, _BLOCKLISTS)
VERSION = len(MIGRATIONS)
