-- name: survey
-- What kind of database this is, and what the role may do in it.
SELECT current_setting('server_version_num')::integer AS version,
       current_user::text AS role,
       current_setting('is_superuser')::boolean AS is_superuser,
       current_setting('statement_timeout') AS statement_timeout,
       current_schema()::text AS schema,
       pg_is_in_recovery() AS is_standby,
       COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted,
       has_database_privilege(current_database(), 'TEMPORARY') AS may_upload;

-- name: list_lacking
-- Tables that the role cannot work with. $1 names of our tables
SELECT c.relname::text AS relname
  FROM pg_class AS c
 WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
   AND c.relkind IN ('r', 'p')
   AND c.relname = ANY ($1::text[])
   AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
 ORDER BY c.relname;
