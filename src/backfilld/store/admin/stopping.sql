-- name: get_stop_order
SELECT version, stopped, by, why, since FROM stop_order;

-- name: lock_stop_order
-- Of two operators the second sees what the first has done. Takers of leases wait here, too.
SELECT version, stopped, by, why, since FROM stop_order FOR UPDATE;

-- name: change_stop_order
-- The channel is that of the backfills; a word in place of a number says that any of them may be concerned.
-- $1 stopped   $2 by   $3 why   $4 at
WITH changed AS (
    UPDATE stop_order
       SET version = version + 1, stopped = $1, by = $2, why = $3, since = $4
    RETURNING version, stopped, by, why, since
)
SELECT changed.*, pg_notify('backfilld', 'stop-order ' || version) FROM changed;

-- name: count_not_obeying
-- Leases, of backfills and of single attempts, whose holder may still start something that the order of this version
-- forbids.
-- $1 version
SELECT (SELECT count(*) FROM leases WHERE NOT released AND expires_at > clock_timestamp() AND obeys_stop < $1)
     + (SELECT count(*) FROM attempts
         WHERE finished_at IS NULL AND backfill_number IS NULL AND lease_until > clock_timestamp() AND obeys_stop < $1);

-- name: count_relations
-- Whether a database was ever used by anybody.
SELECT count(*)
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_';
