-- Whoever holds the lease of an attempt says which stop order he obeys, as the holders of backfills do.
ALTER TABLE attempts ADD COLUMN obeys_stop bigint NOT NULL DEFAULT 0;
