-- Whether a product has devices is asked before it is deleted.
CREATE INDEX device_product ON device (product);
