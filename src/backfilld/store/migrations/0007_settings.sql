-- What somebody may choose about a backfill is one document, named as in the HTTP contract; columns are left of it where
-- statements ask for them (entity_type, max_in_flight, name). A setting that a document lacks has the default that it
-- had when there was no such setting. json, and not jsonb: filter, windows and params come back, and reach the target,
-- in the order and with the numbers that were sent.

ALTER TABLE backfills ADD COLUMN settings json;
UPDATE backfills
   SET settings = json_build_object(
           'filter_spec', filter_spec, 'daily_execution_windows', windows, 'timezone', timezone,
           'max_attempts', max_attempts, 'total_estimated', total_estimated, 'reason', reason, 'start', start_mode,
           'order', item_order, 'reprocess_behavior', reprocess_behavior, 'sample_size', sample_size,
           'excluded_dates', excluded_dates, 'params', params, 'stop_on_failure', stop_on_failure);
ALTER TABLE backfills
    ALTER COLUMN settings SET NOT NULL,
    DROP COLUMN filter_spec, DROP COLUMN windows, DROP COLUMN timezone, DROP COLUMN max_attempts,
    DROP COLUMN total_estimated, DROP COLUMN reason, DROP COLUMN start_mode, DROP COLUMN item_order,
    DROP COLUMN reprocess_behavior, DROP COLUMN sample_size, DROP COLUMN excluded_dates, DROP COLUMN params,
    DROP COLUMN stop_on_failure;
ALTER TABLE backfills ADD CONSTRAINT backfills_settings_check
    CHECK (settings ->> 'timezone' IS NOT NULL
       AND (settings ->> 'max_attempts')::integer BETWEEN 1 AND 20
       AND (settings ->> 'sample_size')::integer BETWEEN 1 AND 10000 IS NOT FALSE
       AND (settings ->> 'total_estimated')::bigint >= 0 IS NOT FALSE);
ALTER TABLE backfills ADD CONSTRAINT backfills_entities_check
    CHECK (kind <> 'entities' OR (entity_type IS NOT NULL AND settings ->> 'filter_spec' IS NOT NULL
                                  AND settings ->> 'daily_execution_windows' IS NOT NULL));
