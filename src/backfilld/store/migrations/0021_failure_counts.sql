-- What of the last items failed, as the engine counts it (domain/backfills/failure_counts.py). Written with the outcomes
-- that it counts, so that a kill forgets nothing. Null: not counted yet.
ALTER TABLE backfill_progress ADD COLUMN failure_counts json;
-- The reason has several texts now; so far it was given for sessions alone.
UPDATE backfills
   SET reason_facts = (reason_facts::jsonb || '{"case": "sessions"}')::json
 WHERE reason_code = 'too_many_failures' AND reason_facts IS NOT NULL;
