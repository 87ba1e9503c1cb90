-- When a person wanted target and source of a backfill to be asked at once, and not at their time: its owner sees that.
ALTER TABLE backfills ADD COLUMN asked_again_at timestamptz;
