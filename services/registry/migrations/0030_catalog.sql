-- Tenants with quotas, devices that can be searched, deleted and brought back, the audit log with
-- what was changed.

ALTER TABLE tenant
  ADD COLUMN display_name text NOT NULL DEFAULT '',
  ADD COLUMN kind smallint NOT NULL DEFAULT 0,
  ADD COLUMN devices_max bigint NOT NULL DEFAULT 0,   -- 0 = no limit
  ADD COLUMN products_max bigint NOT NULL DEFAULT 0,
  ADD COLUMN version bigint NOT NULL DEFAULT 1,
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- How many devices that are not deleted a tenant has: the sum over its slots. Writers that do not
-- share a slot do not wait for one another.
CREATE TABLE tenant_usage (
  tenant text COLLATE "C" NOT NULL,
  slot int NOT NULL,
  devices bigint NOT NULL,
  PRIMARY KEY (tenant, slot)
) WITH (fillfactor = 50);
INSERT INTO tenant_usage SELECT tenant, 0, count(*) FROM device GROUP BY tenant;

ALTER TABLE device
  ADD COLUMN display_name text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN firmware_version text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN labels jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN device_groups text[] NOT NULL DEFAULT '{}',
  ADD COLUMN retired boolean NOT NULL DEFAULT false,
  ADD COLUMN version bigint NOT NULL DEFAULT 1,       -- raised by every change by the API
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN deleted_at timestamptz,
  ADD COLUMN purge_at timestamptz;

-- None of these holds a column that presence changes, so that its updates stay HOT.
CREATE INDEX device_tenant ON device (tenant, id);
CREATE INDEX device_labels ON device USING gin (labels jsonb_path_ops) WHERE labels <> '{}';
CREATE INDEX device_groups ON device USING gin (device_groups) WHERE device_groups <> '{}';
CREATE INDEX device_purge ON device (purge_at) WHERE purge_at IS NOT NULL;

ALTER TABLE audit
  ALTER COLUMN tenant TYPE text COLLATE "C",
  ALTER COLUMN resource TYPE text COLLATE "C",
  ADD COLUMN before text COMPRESSION lz4 NOT NULL DEFAULT '',
  ADD COLUMN after text COMPRESSION lz4 NOT NULL DEFAULT '',
  DROP CONSTRAINT audit_pkey,
  ADD PRIMARY KEY (tenant, id);
CREATE INDEX audit_resource ON audit (tenant, resource, id);
CREATE INDEX audit_at ON audit USING brin (at);

-- Answers to requests with a request_id. The key is a hash of the id and its sender, the answer is
-- encrypted by the id, which is not stored.
CREATE TABLE request_answer (
  key bytea PRIMARY KEY,
  fingerprint bytea NOT NULL,
  answer bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX request_answer_at ON request_answer (at);
