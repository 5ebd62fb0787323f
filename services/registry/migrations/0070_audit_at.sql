-- Rows are purged by their age: pages that are used again spoil the BRIN index on it.
CREATE INDEX IF NOT EXISTS audit_age ON audit (at);
DROP INDEX audit_at;
