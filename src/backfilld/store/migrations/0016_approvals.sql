-- Who approved a backfill that waited for it, and when.
ALTER TABLE backfills ADD COLUMN approved_by text, ADD COLUMN approved_at timestamptz;
