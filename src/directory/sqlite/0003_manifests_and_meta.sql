-- The facts that the manifests of a tenant say, as of when they were last applied: these, and no others, are taken
-- back when the manifests do not say them any more.
CREATE TABLE manifest_facts (
    tenant INTEGER NOT NULL REFERENCES tenants,
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, id)
) WITHOUT ROWID;

-- Of databases that were written before this was kept: what manifests were the last to write.
INSERT INTO manifest_facts (tenant, kind, id)
    SELECT objects.tenant, objects.kind, objects.id FROM facts
    JOIN objects ON objects.number = facts.object
    JOIN revisions ON revisions.tenant = objects.tenant AND revisions.revision = facts.since
    WHERE facts.until IS NULL AND revisions.actor = 'manifests';

-- What there is to know of the database itself.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Another whenever a backup is put in its place: what was compiled in another epoch may be of other changes under the
-- same revisions.
INSERT INTO meta (key, value) VALUES ('epoch', lower(hex(randomblob(16))));
