-- name: add_usage
-- $1 connections   $2 minutes   $3 requests
INSERT INTO connection_usage AS u (connection, minute, requests)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::int[])
    ON CONFLICT (connection, minute) DO UPDATE SET requests = u.requests + excluded.requests;

-- name: list_usage
-- $1 since
SELECT connection, minute, requests FROM connection_usage WHERE minute >= $1 ORDER BY connection, minute;

-- name: forget_usage
-- $1 before
DELETE FROM connection_usage WHERE minute < $1;
