-- What of a certificate's path its authority signed itself, which is what the authority's revocation
-- lists name: the certificate, or another authority between them. '' = not known: as if it was the
-- certificate.
ALTER TABLE certificate ADD COLUMN link_serial text COLLATE "C" NOT NULL DEFAULT '';
