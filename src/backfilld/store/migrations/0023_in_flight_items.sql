-- What an owner is working on, for whoever is asked elsewhere: [[position, number of the try, start in ms since 1970], …],
-- the oldest 64, written with each renewal of the lease. And reruns are found from the backfill that they were made of.
ALTER TABLE leases ADD COLUMN in_flight_items json;
CREATE INDEX backfills_of_parent ON backfills (parent_number) WHERE parent_number IS NOT NULL;
