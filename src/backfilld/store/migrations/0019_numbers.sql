-- `no` for a number reads as a negation. Only names change here: no row is rewritten, and each table is locked for a moment.
ALTER TABLE backfills RENAME COLUMN no TO number;
ALTER TABLE backfills RENAME COLUMN parent_no TO parent_number;
ALTER TABLE backfill_progress RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE plan_items RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE plan_drafts RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE sample_items RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE outcomes RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE retries RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE tries RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE leases RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE audit_log RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE attempts RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE plan_gaps RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE backfill_ids RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE outages RENAME COLUMN backfill_no TO backfill_number;
ALTER TABLE last_runs_waiting RENAME COLUMN backfill_no TO backfill_number;
