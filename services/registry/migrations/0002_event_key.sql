-- What tells an event that was sent again from one that happened again; '' = cannot be told.
ALTER TABLE event ADD COLUMN key text COLLATE "C" NOT NULL DEFAULT '';
