-- name: read_plan
-- Items that have neither an outcome nor a retry, among the next so many positions outside the long gaps of the plan, in
-- one row, which costs the client less than a row each; and where to go on, unless the plan ends there.
-- Nothing here may hang on statistics, which do not know a backfill that was made a minute ago: a join of the plan with
-- the outcomes of "about one row" becomes millions of comparisons. So every range has two ends, what became of an
-- item is looked up by its whole key, and only if anything was found in the range at all.
-- $1 backfill   $2 from position   $3 how many positions
WITH gaps AS MATERIALIZED (
    SELECT first, past FROM plan_gaps WHERE backfill_number = $1 AND past > $2 ORDER BY past LIMIT $3::integer + 1
), between_gaps AS (
    SELECT lag(past, 1, $2) OVER (ORDER BY past) AS first, first AS past FROM gaps
     UNION ALL
    SELECT coalesce(max(past), $2), (SELECT planned FROM backfill_progress WHERE backfill_number = $1)
      FROM gaps
    HAVING count(*) <= $3
), counted AS (
    SELECT first, past, sum(past - first) OVER (ORDER BY first) - (past - first) AS positions_before
      FROM between_gaps
     WHERE first < past
), stretches AS MATERIALIZED (
    SELECT first, least(past, first + $3 - positions_before)::integer AS past FROM counted WHERE positions_before < $3
), range AS MATERIALIZED (
    SELECT min(first) AS first, max(past) AS past FROM stretches
), any_outcome AS MATERIALIZED (
    SELECT o.position
      FROM range
     CROSS JOIN LATERAL (
           SELECT position
             FROM outcomes
            WHERE backfill_number = $1 AND position >= range.first AND position < range.past
            ORDER BY position
            LIMIT 1) AS o
), any_retry AS MATERIALIZED (
    SELECT r.position
      FROM range
     CROSS JOIN LATERAL (
           SELECT position
             FROM retries
            WHERE backfill_number = $1 AND position >= range.first AND position < range.past
            ORDER BY position
            LIMIT 1) AS r
)
SELECT array_agg(i.position) AS positions, array_agg(i.entity_id) AS ids,
       CASE WHEN count(i.attributes) > 0 THEN array_agg(i.attributes) END AS attributes,
       (SELECT past FROM range
         WHERE past < (SELECT planned FROM backfill_progress WHERE backfill_number = $1)) AS goes_on_at
  FROM stretches AS s
 CROSS JOIN LATERAL (
       SELECT position, entity_id, attributes
         FROM plan_items
        WHERE backfill_number = $1 AND position >= s.first AND position < s.past
        ORDER BY position
       OFFSET 0) AS i
 WHERE ((SELECT position FROM any_outcome) IS NULL
        OR (SELECT o.position FROM outcomes AS o WHERE o.backfill_number = $1 AND o.position = i.position) IS NULL)
   AND ((SELECT position FROM any_retry) IS NULL
        OR (SELECT r.position FROM retries AS r WHERE r.backfill_number = $1 AND r.position = i.position) IS NULL);

-- name: read_sample
-- The same of the sample, which is short: where its page ends is where its last item is.
-- $1 backfill   $2 from position   $3 how many
SELECT i.position, i.entity_id, i.attributes
  FROM (SELECT position
          FROM sample_items AS s
         WHERE s.backfill_number = $1 AND s.position >= $2
           AND (SELECT o.position FROM outcomes AS o WHERE o.backfill_number = $1 AND o.position = s.position) IS NULL
           AND (SELECT r.position FROM retries AS r WHERE r.backfill_number = $1 AND r.position = s.position) IS NULL
         ORDER BY position
         LIMIT $3) AS s
 CROSS JOIN LATERAL (
       SELECT position, entity_id, attributes
         FROM plan_items
        WHERE backfill_number = $1 AND position = s.position
       OFFSET 0) AS i
 ORDER BY i.position;
