-- Children behind hubs. `hub` and `children` tell whether there is more to read about a device.
ALTER TABLE device
  ADD COLUMN hub text COLLATE "C" NOT NULL DEFAULT '',  -- whose child it is
  ADD COLUMN children int NOT NULL DEFAULT 0;           -- how many it has

ALTER TABLE product ADD COLUMN is_hub boolean NOT NULL DEFAULT false;

CREATE TABLE device_child (
  device text COLLATE "C" PRIMARY KEY,
  link text COLLATE "C" NOT NULL,
  silence_ms bigint NOT NULL,
  seen_ms bigint NOT NULL,                    -- written now and then: core/apply_child.cc
  hub_epoch bigint NOT NULL,
  hub_online boolean NOT NULL,
  hub_pod text COLLATE "C" NOT NULL,
  hub_session bigint NOT NULL
) PARTITION BY HASH (device);

CREATE TABLE hub_child (
  hub text COLLATE "C" NOT NULL,
  child text COLLATE "C" NOT NULL,
  PRIMARY KEY (hub, child)
) PARTITION BY HASH (hub);

-- Times at which the presence of a device may change by itself; looked for by the owner of its
-- uplink partition.
CREATE TABLE presence_check (
  device text COLLATE "C" PRIMARY KEY,
  partition int NOT NULL,
  due_ms bigint NOT NULL
) PARTITION BY HASH (device);
CREATE INDEX presence_check_due ON presence_check (partition, due_ms);

-- When the partition was last known to be consumed to its end, Unix ms.
ALTER TABLE stream_offset ADD COLUMN caught_up_ms bigint NOT NULL DEFAULT 0;

DO $$
BEGIN
  FOR i IN 0..15 LOOP
    EXECUTE format('CREATE TABLE device_child_p%s PARTITION OF device_child '
      'FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 80)', i, i);
    EXECUTE format('CREATE TABLE hub_child_p%s PARTITION OF hub_child '
      'FOR VALUES WITH (MODULUS 16, REMAINDER %s)', i, i);
    EXECUTE format('CREATE TABLE presence_check_p%s PARTITION OF presence_check '
      'FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 80)', i, i);
  END LOOP;
END $$;
