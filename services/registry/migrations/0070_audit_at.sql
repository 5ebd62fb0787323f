-- Rows are purged by their age: pages that are used again would spoil a BRIN index.
DROP INDEX audit_at;
CREATE INDEX audit_at ON audit (at);
