-- What an item has cost at most: the next may cost as much, so a start under a cap of credits reserves it.
ALTER TABLE backfill_progress ADD COLUMN highest_credits numeric NOT NULL DEFAULT 0;
UPDATE backfill_progress AS p
   SET highest_credits = COALESCE((SELECT max(o.credits) FROM outcomes AS o WHERE o.backfill_number = p.backfill_number), 0)
 WHERE p.credits_used > 0
   AND EXISTS (SELECT FROM backfills AS b WHERE b.number = p.backfill_number AND b.completed_at IS NULL);
