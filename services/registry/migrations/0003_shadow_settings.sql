-- An update of a shadow that changes no value makes no version.
ALTER TABLE product ADD COLUMN shadow_skip_unchanged boolean NOT NULL DEFAULT false;
