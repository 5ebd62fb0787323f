-- A device has several credentials at once: secrets (data = SHA-256) and public keys (data = DER).
ALTER TABLE credential DROP CONSTRAINT credential_pkey;
ALTER TABLE credential RENAME COLUMN secret_sha256 TO data;
ALTER TABLE credential ADD COLUMN id text COLLATE "C" NOT NULL DEFAULT 'secret';
ALTER TABLE credential ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'secret';
ALTER TABLE credential ADD COLUMN expires_at timestamptz NOT NULL DEFAULT 'infinity';
ALTER TABLE credential ADD PRIMARY KEY (device, id);

-- Client certificates, by the hex of their SHA-256.
CREATE TABLE certificate (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  device text COLLATE "C" NOT NULL DEFAULT '',      -- '' = none, or none yet
  template text COLLATE "C" NOT NULL DEFAULT '',    -- a claim certificate: provisions by this one
  authority text COLLATE "C" NOT NULL DEFAULT '',   -- the tenant's authority that vouches for it
  state text COLLATE "C" NOT NULL,                  -- pending, active, revoked
  serial text COLLATE "C" NOT NULL,                 -- hex
  pem text COMPRESSION lz4 NOT NULL,
  not_before timestamptz NOT NULL,
  not_after timestamptz NOT NULL,
  token_sha256 bytea NOT NULL DEFAULT '',           -- of the ownership token
  pending_until timestamptz NOT NULL DEFAULT 'infinity',
  created_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY HASH (id);
DO $$
BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('CREATE TABLE certificate_p%s PARTITION OF certificate '
      'FOR VALUES WITH (MODULUS 16, REMAINDER %s)', i, i);
  END LOOP;
END $$;
CREATE INDEX certificate_device ON certificate (device) WHERE device <> '';
CREATE INDEX certificate_authority ON certificate (tenant, authority) WHERE authority <> '';
CREATE INDEX certificate_claim ON certificate (tenant, id) WHERE template <> '';
CREATE INDEX certificate_pending ON certificate (pending_until) WHERE state = 'pending';

-- Certificate authorities of a tenant. One with a key signs certificates for devices; the others
-- vouch for those that name a device themselves.
CREATE TABLE authority (
  tenant text COLLATE "C" NOT NULL REFERENCES tenant,
  id text COLLATE "C" NOT NULL,
  pem text NOT NULL,
  certificate_id text COLLATE "C" NOT NULL UNIQUE,
  subject_sha256 bytea NOT NULL,                    -- of the DER of its subject
  sealed_key bytea NOT NULL DEFAULT '',             -- encrypted; '' = the key is elsewhere
  disabled boolean NOT NULL DEFAULT false,
  product text COLLATE "C" NOT NULL DEFAULT '',     -- registers unknown devices; '' = does not
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, id)
);
CREATE INDEX authority_subject ON authority (subject_sha256);
CREATE TABLE revoked_serial (
  tenant text COLLATE "C" NOT NULL,
  authority text COLLATE "C" NOT NULL,
  serial text COLLATE "C" NOT NULL,                 -- hex
  PRIMARY KEY (tenant, authority, serial),
  FOREIGN KEY (tenant, authority) REFERENCES authority ON DELETE CASCADE
);

CREATE TABLE provisioning_template (
  tenant text COLLATE "C" NOT NULL REFERENCES tenant,
  name text COLLATE "C" NOT NULL,
  body text NOT NULL,
  product text COLLATE "C" NOT NULL,
  disabled boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, name)
);

-- What gateways must forget, in the order of commits: writers hold one advisory lock.
CREATE TABLE directory_change (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  kind int NOT NULL,                                -- DirectoryChange.Kind
  name text COLLATE "C" NOT NULL,
  credential text COLLATE "C" NOT NULL DEFAULT '',
  revoked boolean NOT NULL
);
CREATE INDEX directory_change_at ON directory_change (at);
