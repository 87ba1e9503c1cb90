-- How far `last_runs` knows a backfill that runs still, so that whoever plans beside it looks at what is new alone: up to
-- the mark, which follows the low-water mark; how many outcomes there were at the last look; and what waited for its next
-- try below the mark when that passed it, whose outcome is still to come.
ALTER TABLE backfill_progress ADD COLUMN remembered_count integer NOT NULL DEFAULT 0;

CREATE TABLE last_runs_waiting (
    backfill_no bigint  NOT NULL,
    position    integer NOT NULL,
    PRIMARY KEY (backfill_no, position)
);
