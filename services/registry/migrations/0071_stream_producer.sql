-- The last batch of each gateway reactor that was applied, by partition. A transaction writes only
-- those it has heard of. No index holds what changes, so that updates are HOT.
CREATE TABLE stream_producer (
  partition int NOT NULL,
  pod text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  heard_ms bigint NOT NULL,
  PRIMARY KEY (partition, pod)
) WITH (fillfactor = 50);

LOCK TABLE stream_offset IN ACCESS EXCLUSIVE MODE;
INSERT INTO stream_producer
  SELECT o.partition, p.key, (p.value ->> 0)::bigint, (p.value ->> 1)::bigint
  FROM stream_offset o, jsonb_each(o.producers) AS p;
ALTER TABLE stream_offset DROP COLUMN producers;
