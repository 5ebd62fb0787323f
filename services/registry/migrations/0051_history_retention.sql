-- How many days history of a product's devices is kept; 0 = as long as the deployment keeps any.
ALTER TABLE product ADD COLUMN history_days int NOT NULL DEFAULT 0;
CREATE INDEX product_history_days ON product (history_days) WHERE history_days > 0;

-- How far the daily partitions of history have been rid of what products keep for less time.
CREATE TABLE history_sweep (
  partition text COLLATE "C" PRIMARY KEY,
  due text NOT NULL,                          -- stands for the set of products whose rows have to go
  next_block bigint NOT NULL,
  done boolean NOT NULL
) WITH (fillfactor = 50);
