-- The directory and all that it ever was. Text compares as bytes (BINARY, SQLite's own default): ids never fold.

CREATE TABLE tenants (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    head   INTEGER NOT NULL,
    -- The revision that ended it; a tenant of the same name goes on from there.
    ended  INTEGER
);

-- Who made a revision, when and why. Appended to only.
CREATE TABLE revisions (
    tenant     INTEGER NOT NULL REFERENCES tenants,
    revision   INTEGER NOT NULL,
    at         TEXT NOT NULL,
    actor      TEXT NOT NULL,
    reason     TEXT,
    request_id TEXT,
    PRIMARY KEY (tenant, revision)
) WITHOUT ROWID;

-- Everything that was ever spoken of, whether it is there or not.
CREATE TABLE objects (
    number INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES tenants,
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    -- The upper 63 bits of the hash that a bundle's files are split by.
    shard  INTEGER,
    UNIQUE (tenant, kind, id)
);
CREATE INDEX objects_by_shard ON objects (tenant, kind, shard) WHERE shard IS NOT NULL;

-- What an object was from one revision until another; the one without an end is what it is.
CREATE TABLE facts (
    object INTEGER NOT NULL REFERENCES objects,
    since  INTEGER NOT NULL,
    until  INTEGER,
    value  TEXT NOT NULL,
    PRIMARY KEY (object, since)
) WITHOUT ROWID;

-- What a fact of an object ever mentioned: never taken back, so that the past can be asked too.
CREATE TABLE mentions (
    mentioned INTEGER NOT NULL REFERENCES objects,
    object    INTEGER NOT NULL REFERENCES objects,
    PRIMARY KEY (mentioned, object)
) WITHOUT ROWID;

-- What each revision changed. Appended to only.
CREATE TABLE changes (
    tenant   INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    object   INTEGER NOT NULL REFERENCES objects,
    PRIMARY KEY (tenant, revision, object),
    FOREIGN KEY (tenant, revision) REFERENCES revisions
) WITHOUT ROWID;
CREATE INDEX changes_by_object ON changes (object, revision);

-- Who may administer every tenant. The key itself is kept nowhere.
CREATE TABLE admin_keys (
    name       TEXT PRIMARY KEY,
    hash       BLOB NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID;

-- What signs tokens of our own.
CREATE TABLE signing_keys (
    tenant     INTEGER NOT NULL REFERENCES tenants,
    key_id     TEXT NOT NULL,
    private    BLOB NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (tenant, key_id)
) WITHOUT ROWID;

-- When a token of our own was last used: of no revision, and told to nobody who waits.
CREATE TABLE token_uses (
    tenant    INTEGER NOT NULL REFERENCES tenants,
    token     TEXT NOT NULL,
    last_used INTEGER NOT NULL,
    PRIMARY KEY (tenant, token)
) WITHOUT ROWID;
