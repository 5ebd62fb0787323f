-- Exports are operations as imports are; what one has found stands in chunks.
ALTER TABLE operation
  ADD COLUMN kind smallint NOT NULL DEFAULT 0,               -- 0 import, 1 export
  ADD COLUMN exported int NOT NULL DEFAULT 0,
  ADD COLUMN last_key text COLLATE "C" NOT NULL DEFAULT '',  -- the id of the last device looked at
  ADD COLUMN error_reason text NOT NULL DEFAULT '';
CREATE INDEX operation_export ON operation (tenant) WHERE kind = 1;

CREATE TABLE export_chunk (
  tenant text COLLATE "C" NOT NULL,
  operation text COLLATE "C" NOT NULL,
  first int NOT NULL,                         -- how many devices are in the chunks before it
  devices int NOT NULL,
  content bytea COMPRESSION lz4 NOT NULL,     -- device.v1.ListExportedDevicesResponse
  PRIMARY KEY (tenant, operation, first),
  FOREIGN KEY (tenant, operation) REFERENCES operation (tenant, id) ON DELETE CASCADE
);
