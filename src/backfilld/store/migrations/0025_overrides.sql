-- Until when the windows of a backfill count as open, by the word of a person.
ALTER TABLE backfills ADD COLUMN override_until timestamptz;
