-- What a dead daemon may have started is known before it dies, so that only that is repeated.

-- How many items may be handed out in all, in the order of handing out: a number committed ahead of what really is. The
-- larger of the two holds: one moves with what is recorded, the other with the renewal of the lease, so that neither waits
-- for the other. NULL: the last owner was of a version that wrote no limit down.
ALTER TABLE backfill_progress ADD COLUMN hand_out_limit integer;
ALTER TABLE backfill_progress ALTER COLUMN hand_out_limit SET DEFAULT 0;
ALTER TABLE leases ADD COLUMN hand_out_limit integer NOT NULL DEFAULT 0;

-- The fence under which a due retry was handed out; gone with what became of that try.
ALTER TABLE retries ADD COLUMN taken_fence bigint;

-- What is being repeated after an unclean end: items of the plan (or of the sample, while that is open) at positions below
-- `repeat_to`, and retries that were taken under a smaller fence than `repeat_fence`. Round 2: the process died again before
-- they were through.
ALTER TABLE backfill_progress
    ADD COLUMN repeat_round smallint NOT NULL DEFAULT 0 CHECK (repeat_round BETWEEN 0 AND 2),
    ADD COLUMN repeat_to    integer NOT NULL DEFAULT 0,
    ADD COLUMN repeat_fence bigint NOT NULL DEFAULT 0;

-- The same of attempts that no backfill carries.
ALTER TABLE attempts
    ADD COLUMN repeat_round smallint NOT NULL DEFAULT 0 CHECK (repeat_round BETWEEN 0 AND 2),
    ADD COLUMN stood_alone  boolean NOT NULL DEFAULT false; -- nothing else that may have been started was in flight
