-- Which history a revision is of: see `directory/chain.rs`. What was written before there were chains gets one that
-- nobody else has.
ALTER TABLE revisions ADD COLUMN chain BLOB;
UPDATE revisions SET chain = randomblob(32);

-- The first revision of a tenant's present life. Within a life each revision but the first changes something.
ALTER TABLE tenants ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
UPDATE tenants SET born = coalesce((
    SELECT max(revision) FROM revisions
    WHERE revisions.tenant = tenants.number AND NOT EXISTS (
        SELECT 1 FROM changes WHERE changes.tenant = revisions.tenant AND changes.revision = revisions.revision)
), 0) WHERE ended IS NULL;

-- What signed for an earlier life signs for none.
DELETE FROM signing_keys WHERE tenant IN (SELECT number FROM tenants WHERE ended IS NOT NULL)
    OR created_at < (SELECT revisions.at FROM tenants JOIN revisions
                     ON revisions.tenant = tenants.number AND revisions.revision = tenants.born
                     WHERE tenants.number = signing_keys.tenant);
DELETE FROM token_uses WHERE tenant IN (SELECT number FROM tenants WHERE ended IS NOT NULL);
