-- name: list_states
SELECT name, critical_at, critical_value, released_until, released_by, release_reason FROM brake_states;

-- name: latch
-- The first latch stays until it is reset: it says when and at what it began. Nothing comes back if one stood already.
-- $1 name   $2 at   $3 value   $4 why
WITH latched AS (
    INSERT INTO brake_states (name, critical_at, critical_value)
    VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET critical_at = $2, critical_value = $3
     WHERE brake_states.critical_at IS NULL
    RETURNING name
), noticed AS (
    INSERT INTO notices (event, brake, at, facts)
    SELECT 'stopped', name, $2, json_build_object('reason_code', 'braked_critically', 'reason_message', $4::text, 'value', $3)
      FROM latched
)
SELECT name, pg_notify('backfilld', 'brakes') FROM latched;

-- name: reset
-- $1 name
WITH before AS (
    SELECT name, critical_at, critical_value FROM brake_states WHERE name = $1 AND critical_at IS NOT NULL FOR UPDATE
), done AS (
    UPDATE brake_states AS s
       SET critical_at = NULL, critical_value = NULL
      FROM before
     WHERE s.name = before.name
)
SELECT critical_at, critical_value, pg_notify('backfilld', 'brakes') FROM before;

-- name: release
-- $1 name   $2 until (null: no more)   $3 by   $4 reason
WITH done AS (
    INSERT INTO brake_states (name, released_until, released_by, release_reason)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (name) DO UPDATE SET released_until = $2, released_by = $3, release_reason = $4
    RETURNING name
)
SELECT name, pg_notify('backfilld', 'brakes') FROM done;

-- name: begin_episode
-- Of several daemons that look, and of one that was killed meanwhile, the first beginning stays.
-- $1 brake   $2 why   $3 at   $4 value
INSERT INTO brake_episodes (brake, why, began_at, worst)
VALUES ($1, $2, $3, $4)
ON CONFLICT (brake) WHERE ended_at IS NULL DO NOTHING;

-- name: end_episode
-- $1 brake   $2 at   $3 worst value (null: it was not a matter of values, or nobody knows)
UPDATE brake_episodes
   SET ended_at = greatest(began_at, $2), worst = coalesce($3, worst)
 WHERE brake = $1 AND ended_at IS NULL;

-- name: list_episodes
-- The last ones, newest first.
-- $1 brake   $2 how many
SELECT why, began_at, ended_at, worst FROM brake_episodes WHERE brake = $1 ORDER BY began_at DESC LIMIT $2;

-- name: list_since
-- What some brakes held for behind a moment.
-- $1 brakes   $2 since
SELECT brake, began_at, ended_at FROM brake_episodes
 WHERE brake = ANY($1) AND (ended_at IS NULL OR ended_at > $2);

-- name: forget_episodes
-- $1 before
DELETE FROM brake_episodes WHERE ended_at < $1;
