-- name: record_action
-- $1 at   $2 actor   $3 action   $4 subject   $5 backfill   $6 reason   $7 old   $8 new   $9 request
INSERT INTO audit_log (at, actor, action, subject, backfill_number, reason, old, new, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);
