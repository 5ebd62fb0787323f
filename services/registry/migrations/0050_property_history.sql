-- Reported values of properties as history, where the product asks for it.
ALTER TABLE product ADD COLUMN history_properties text[] NOT NULL DEFAULT '{}';

-- One row for each change. The key serves the values of one property in their order.
CREATE TABLE property_sample (
  device text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,             -- <service>.<property>
  received_at timestamptz NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  reported_at timestamptz NOT NULL,           -- by the device's clock, if it said so
  number float8,                              -- of numbers and booleans, to compute with
  value text COMPRESSION lz4 NOT NULL,        -- JSON; null = removed
  PRIMARY KEY (device, name, received_at, id)
) PARTITION BY RANGE (received_at);
CREATE TABLE property_sample_default PARTITION OF property_sample DEFAULT;
