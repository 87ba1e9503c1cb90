-- What the owner of a backfill knows and nobody else: why nothing starts, what slows it down, with whom it shares.
-- Written with each renewal, so that any daemon can explain it.
ALTER TABLE leases ADD COLUMN says json;
