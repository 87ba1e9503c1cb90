-- What a source had to say while its entities were listed: sentences, which stay with the plan.
ALTER TABLE backfills ADD COLUMN plan_remarks text[] NOT NULL DEFAULT '{}';
