-- name: read_database
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size_bytes;

-- name: list_holders
-- Who holds leases at this moment, of backfills and of single attempts, and how much is in flight under them.
-- $1 limit
SELECT holder, sum(backfills)::int AS backfills, sum(attempts)::int AS attempts, sum(in_flight)::int AS in_flight
  FROM (SELECT holder, 1 AS backfills, 0 AS attempts, in_flight
          FROM leases
         WHERE NOT released AND expires_at > clock_timestamp()
        UNION ALL
        SELECT holder, 0, 1, (running_since IS NOT NULL)::int
          FROM attempts
         WHERE finished_at IS NULL AND backfill_number IS NULL AND lease_until > clock_timestamp()) AS held
 GROUP BY holder
 ORDER BY holder
 LIMIT $1;
