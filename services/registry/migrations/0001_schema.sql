-- Every large table's primary key begins with the device, its distribution column. Identifiers
-- compare as bytes (COLLATE "C"): faster, and the same order everywhere.

CREATE TABLE tenant (
  id text COLLATE "C" PRIMARY KEY,
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tenant (id) VALUES ('default');

CREATE TABLE product (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL REFERENCES tenant,
  display_name text NOT NULL DEFAULT '',
  model text NOT NULL DEFAULT '',             -- MIoT-Spec-V2 instance, '' = none
  fleet_key bytea NOT NULL,
  allow_unregistered boolean NOT NULL DEFAULT false,
  version bigint NOT NULL DEFAULT 1,          -- raised by every update
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX product_tenant ON product (tenant, id);

CREATE TABLE device (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  product text COLLATE "C" NOT NULL,
  disabled boolean NOT NULL DEFAULT false,
  online boolean NOT NULL DEFAULT false,
  presence_ms bigint NOT NULL DEFAULT 0,      -- last change of online
  epoch bigint NOT NULL DEFAULT 0,            -- newest session epoch of the main client
  created_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY HASH (id);

CREATE TABLE credential (
  device text COLLATE "C" PRIMARY KEY,
  secret_sha256 bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY HASH (device);

-- One row per device and shadow name ('' = the classic shadow), tombstones included: the version of
-- a shadow never goes back. No secondary index and free room in each page, so that updates are HOT.
CREATE TABLE shadow (
  device text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  last_report_id bigint NOT NULL DEFAULT -1,  -- newest integer id of a typed report, -1 = none
  deleted boolean NOT NULL DEFAULT false,
  state text COMPRESSION lz4 NOT NULL,
  metadata text COMPRESSION lz4 NOT NULL,
  PRIMARY KEY (device, name)
) PARTITION BY HASH (device);

CREATE TABLE device_session (
  device text COLLATE "C" NOT NULL,
  client text COLLATE "C" NOT NULL,           -- '' = the client id is the device id
  pod text COLLATE "C" NOT NULL,
  session bigint NOT NULL,
  epoch bigint NOT NULL,
  since_ms bigint NOT NULL,
  partition int NOT NULL,
  PRIMARY KEY (device, client)
) PARTITION BY HASH (device);
CREATE INDEX device_session_pod ON device_session (pod, partition);

DO $$
BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('CREATE TABLE device_p%s PARTITION OF device '
      'FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 80)', i, i);
    EXECUTE format('CREATE TABLE credential_p%s PARTITION OF credential '
      'FOR VALUES WITH (MODULUS 16, REMAINDER %s)', i, i);
    EXECUTE format('CREATE TABLE shadow_p%s PARTITION OF shadow '
      'FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 70)', i, i);
    EXECUTE format('CREATE TABLE device_session_p%s PARTITION OF device_session '
      'FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 80)', i, i);
  END LOOP;
END $$;

CREATE TABLE watch (
  device text COLLATE "C" NOT NULL,
  pod text COLLATE "C" NOT NULL,
  expires_ms bigint NOT NULL,
  PRIMARY KEY (device, pod)
);

CREATE TABLE telemetry (
  device text COLLATE "C" NOT NULL,
  received_at timestamptz NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  channel text COLLATE "C" NOT NULL,
  payload bytea COMPRESSION lz4 NOT NULL,
  PRIMARY KEY (device, received_at, id)
) PARTITION BY RANGE (received_at);
CREATE TABLE telemetry_default PARTITION OF telemetry DEFAULT;

CREATE TABLE event (
  device text COLLATE "C" NOT NULL,
  received_at timestamptz NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  name text COLLATE "C" NOT NULL,             -- <service>.<event>
  event_at timestamptz NOT NULL,              -- by the device's clock, if it said so
  arguments text COMPRESSION lz4 NOT NULL,
  PRIMARY KEY (device, received_at, id)
) PARTITION BY RANGE (received_at);
CREATE TABLE event_default PARTITION OF event DEFAULT;

-- One row per uplink partition, changed only by its owner, or by who takes it over.
CREATE TABLE stream_offset (
  partition int PRIMARY KEY,
  owner text COLLATE "C" NOT NULL DEFAULT '',
  fence bigint NOT NULL DEFAULT 0,            -- raised by every take-over
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  generation bigint NOT NULL DEFAULT 0,       -- raised by writers other than the owner
  last_id text COLLATE "C" NOT NULL DEFAULT '0-0',
  producers jsonb NOT NULL DEFAULT '{}',      -- pod: [last sequence, when seen]
  pending bytea NOT NULL DEFAULT ''           -- downlinks of the last commit
) WITH (fillfactor = 20);

CREATE TABLE registry_member (
  pod text COLLATE "C" PRIMARY KEY,
  heartbeat_until timestamptz NOT NULL
);

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  tenant text NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  resource text NOT NULL
);
