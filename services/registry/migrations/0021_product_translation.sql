-- Texts of a product's model in other languages.
CREATE TABLE product_translation (
  product text COLLATE "C" NOT NULL REFERENCES product ON DELETE CASCADE,
  language text COLLATE "C" NOT NULL,
  texts text COMPRESSION lz4 NOT NULL,        -- JSON object: key to text
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (product, language)
);
