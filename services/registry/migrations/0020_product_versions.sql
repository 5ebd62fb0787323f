-- Every version a product's model has had, numbered from 1. Small, and read by all pods.
CREATE TABLE product_version (
  product text COLLATE "C" NOT NULL REFERENCES product ON DELETE CASCADE,
  version bigint NOT NULL,
  urn text COLLATE "C" NOT NULL,
  model text COMPRESSION lz4 NOT NULL,        -- MIoT-Spec-V2 instance
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (product, version)
);
CREATE INDEX product_version_urn ON product_version (urn);

INSERT INTO product_version (product, version, urn, model)
  SELECT id, 1, coalesce(model::json->>'type', model::json->'instance'->>'type', ''), model
  FROM product WHERE model <> '';
-- The version of those devices that name none; 0 = no model.
ALTER TABLE product ADD COLUMN model_version bigint NOT NULL DEFAULT 0;
UPDATE product SET model_version = 1 WHERE model <> '';
ALTER TABLE product DROP COLUMN model;

ALTER TABLE device
  ADD COLUMN model_version bigint NOT NULL DEFAULT 0,  -- what the device says it is; 0 = nothing
  ADD COLUMN shadow_model bigint NOT NULL DEFAULT 0;   -- whose values its shadow has; 0 = unknown
