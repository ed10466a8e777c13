-- A file of version 1, as the exporter wrote it before there were notes: one address that passes, one change.
BEGIN;
CREATE TABLE pools (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE addresses (
    pool INTEGER NOT NULL,
    address BLOB NOT NULL,
    sampled_at REAL NOT NULL,
    state TEXT NOT NULL,
    crc INTEGER NOT NULL,
    gone_at REAL,
    PRIMARY KEY (pool, address)
) WITHOUT ROWID;
CREATE TABLE times (
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
    target TEXT NOT NULL,
    name TEXT NOT NULL,
    change TEXT NOT NULL,
    evidence TEXT NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX changes_of_target ON changes (target, number);
CREATE INDEX changes_of_pool ON changes (pool, number);
INSERT INTO "addresses" VALUES(1,X'C6336400',1700000000.0,'[["mta0.example.org"],[["fcrdns",""],["helo-syntax","mta0.example.org"],["helo-resolves","mta0.example.org"],["helo-address-match","mta0.example.org"],["helo-ptr-match","mta0.example.org"],["helo-aligned","mta0.example.org"]],[0,1,2,3,4,5],[["mta0.example.org"]],0,1700000000.0,0.0,[],[]]',1611695670,NULL);
INSERT INTO "addresses" VALUES(1,X'C6336401',1700000001.0,'[["mta1.example.org"],[["fcrdns","","fail","forward-mismatch","198.51.100.1 is not forward-confirmed: its PTR name mta1.example.org resolves to 192.0.2.1, not to 198.51.100.1.",["Publish the A record below, or point the PTR record at a name that has it.","mta1.example.org",["mta1.example.org. A 198.51.100.1"],[]]],["helo-syntax","mta1.example.org"],["helo-resolves","mta1.example.org"],["helo-address-match","mta1.example.org","fail","helo-mismatch","The HELO name mta1.example.org resolves to 192.0.2.1, not to 198.51.100.1.",["Publish the record below.","mta1.example.org",["mta1.example.org. A 198.51.100.1"],[]]],["helo-ptr-match","mta1.example.org"],["helo-aligned","mta1.example.org"]],[0,1,2,3,4,5],[["mta1.example.org"],[],"fail",0],0,1700000001.0,0.0,[],[]]',890767671,NULL);
INSERT INTO "changes" VALUES(1700000000000000,1700000000.0,'even','192.0.2.1','fcrdns','[["192.0.2.1","a.example.org"],["fcrdns",""],["fcrdns","","fail","ptr-nxdomain","192.0.2.1 has no PTR name.",["Publish a PTR record.","2.0.192.in-addr.arpa",["1.2.0.192.in-addr.arpa. PTR a.example.org."],[]]]]','[["1.2.0.192.in-addr.arpa","PTR","nxdomain",[],[],0,"127.0.0.1:53",1700000000.0,[]]]',2559480867);
INSERT INTO "pools" VALUES(1,'test');
INSERT INTO "times" VALUES(1,X'C6336400',X'00F1536501F153650000000000000000',4159015015);
PRAGMA application_id = 1835099246;
PRAGMA user_version = 1;
COMMIT;
