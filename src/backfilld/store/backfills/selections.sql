-- part: written
planned AS (
    INSERT INTO plan_items (backfill_number, position, entity_id)
    SELECT $1, position, id FROM page WHERE NOT $4
), left_out AS (
    INSERT INTO outcomes (backfill_number, position, status, finished_at, attempts, skip_reason)
    SELECT $1, position, 'skipped', $3, 0, skip_reason
      FROM page
     WHERE NOT $4 AND skip_reason IS NOT NULL
), drafted AS (
    INSERT INTO plan_drafts (backfill_number, entity_id, sort_at, skip_reason)
    SELECT $1, id, updated_at, skip_reason FROM page WHERE $4
)

-- name: plan_selected
-- A page of our own entities becomes a page of the plan, or of its drafts, without leaving the database. What
-- became of each last is looked up one by one: for a join the planner may read all that the workflow ever did, page
-- after page. Not at all where there is nothing, which is asked in the order of the key: an EXISTS may read the whole
-- table for it. `/* filter */ true` is where a compiled filter goes.
-- $1 backfill   $2 position of the first   $3 now   $4 as drafts
-- $5 entity type   $6 id that the page starts behind   $7 rows
-- $8 workflow   $9 why to leave out what succeeded last   $10 and what ended otherwise (null: not left out)
WITH page AS MATERIALIZED (
    SELECT id, updated_at, $2::integer + row_number() OVER (ORDER BY id) - 1 AS position,
           CASE WHEN ($9::text IS NOT NULL OR $10::text IS NOT NULL)
                     AND (SELECT l.entity_id
                            FROM last_runs AS l
                           WHERE l.workflow_id = $8 AND l.entity_type = $5 AND l.entity_id > $6
                           ORDER BY l.entity_id
                           LIMIT 1) IS NOT NULL
                THEN (SELECT CASE l.status WHEN 'succeeded' THEN $9 ELSE $10 END
                        FROM last_runs AS l
                       WHERE l.workflow_id = $8 AND l.entity_type = $5 AND l.entity_id = listed.id)
            END AS skip_reason
      FROM (SELECT e.id, e.updated_at
              FROM entities e
             WHERE e.entity_type = $5
               AND e.id > $6
               AND (/* filter */ true)
             ORDER BY e.id
             LIMIT $7) AS listed
), /* part: written */
SELECT count(*) AS entities, count(skip_reason) AS skipped, max(id) AS last FROM page;

-- name: plan_named
-- The same of a page of the ids that the backfill was given, each of them in its place: those that are not there, or
-- do not match, are planned and skipped. Each is looked up by itself (LIMIT 1 holds the planner to it): a join may read
-- every entity of the type for every page. Places have no gaps, and both ends of the page are named: nobody has analyzed
-- a list that is new, and ORDER BY with LIMIT would read and sort all of it. Ids of type `none` stand for themselves.
-- $1 backfill   $2 position of the first   $3 now   $4 as drafts
-- $5 entity type   $6 place in the list that the page starts at   $7 rows
-- $8 workflow   $9 why to leave out what succeeded last   $10 and what ended otherwise (null: not left out)
WITH page AS MATERIALIZED (
    SELECT named.entity_id AS id, found.updated_at, named.position AS place,
           $2::integer + named.position - $6::integer AS position,
           CASE WHEN $5 <> 'none' AND found.matches IS NULL THEN 'not_found'
                WHEN NOT found.matches THEN 'not_matching'
                WHEN ($9::text IS NOT NULL OR $10::text IS NOT NULL)
                     AND (SELECT l.entity_id
                            FROM last_runs AS l
                           WHERE l.workflow_id = $8 AND l.entity_type = $5
                           ORDER BY l.entity_id
                           LIMIT 1) IS NOT NULL
                THEN (SELECT CASE l.status WHEN 'succeeded' THEN $9 ELSE $10 END
                        FROM last_runs AS l
                       WHERE l.workflow_id = $8 AND l.entity_type = $5 AND l.entity_id = named.entity_id)
            END AS skip_reason
      FROM (SELECT position, entity_id
              FROM backfill_ids
             WHERE backfill_number = $1 AND position >= $6 AND position < $6::integer + $7::integer) AS named
      LEFT JOIN LATERAL (
            SELECT e.updated_at, (/* filter */ true) IS TRUE AS matches
              FROM entities AS e
             WHERE e.entity_type = $5 AND e.id = named.entity_id
             LIMIT 1) AS found ON true
), /* part: written */
SELECT count(*) AS entities, count(skip_reason) AS skipped, (max(place) + 1)::text AS last FROM page;
