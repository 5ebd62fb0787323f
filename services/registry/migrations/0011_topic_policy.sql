-- What a product's devices may do with topics that are no device's own: a serialised TopicPolicy.
ALTER TABLE product ADD COLUMN topic_policy bytea NOT NULL DEFAULT '';
-- What the SDK on a device said of itself when it last connected.
ALTER TABLE device ADD COLUMN sdk text NOT NULL DEFAULT '';
