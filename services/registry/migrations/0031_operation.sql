-- Long-running work: what was asked, how far it has come, what became of it.
CREATE TABLE operation (
  tenant text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,               -- sorts by age
  actor text NOT NULL,
  request bytea COMPRESSION lz4 NOT NULL,     -- '' when done
  rows int NOT NULL,
  next_row int NOT NULL DEFAULT 0,
  created int NOT NULL DEFAULT 0,
  updated int NOT NULL DEFAULT 0,
  failed int NOT NULL DEFAULT 0,
  cancelled boolean NOT NULL DEFAULT false,   -- asked to
  done boolean NOT NULL DEFAULT false,
  error_code int NOT NULL DEFAULT 0,          -- google.rpc.Code
  error text NOT NULL DEFAULT '',
  owner text COLLATE "C" NOT NULL DEFAULT '',
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, id)
) WITH (fillfactor = 50);
CREATE INDEX operation_todo ON operation (id) WHERE NOT done;

CREATE TABLE import_failure (
  tenant text COLLATE "C" NOT NULL,
  operation text COLLATE "C" NOT NULL,
  row int NOT NULL,
  line int NOT NULL,
  device text COLLATE "C" NOT NULL,
  code int NOT NULL,
  reason text NOT NULL,
  message text NOT NULL,
  PRIMARY KEY (tenant, operation, row),
  FOREIGN KEY (tenant, operation) REFERENCES operation (tenant, id) ON DELETE CASCADE
);
