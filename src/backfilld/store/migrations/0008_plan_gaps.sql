-- Stretches of a plan in which nothing is left to run, because the planner left out every item of them.
--
-- A backfill that runs again "for what was added since" plans everything and runs a handful. Whoever looks for the
-- handful jumps over these stretches. Only long ones are kept: to walk over a few items costs less than a row here.

CREATE TABLE plan_gaps (
    backfill_no bigint  NOT NULL,
    first       integer NOT NULL CHECK (first >= 0),
    past        integer NOT NULL, -- the position behind the last
    PRIMARY KEY (backfill_no, past),
    CHECK (first < past)
);

-- Backfills that are on their way already.
INSERT INTO plan_gaps (backfill_no, first, past)
SELECT b.no, gap.first, gap.past
  FROM backfills AS b
  JOIN backfill_progress AS p ON p.backfill_no = b.no
 CROSS JOIN LATERAL (
       SELECT min(left_out.position) AS first, max(left_out.position) + 1 AS past
         FROM (SELECT o.position, o.position - row_number() OVER (ORDER BY o.position) AS run
                 FROM outcomes AS o
                WHERE o.backfill_no = b.no AND o.status = 'skipped') AS left_out
        GROUP BY left_out.run
       HAVING count(*) >= 32) AS gap
 WHERE b.status IN ('running', 'waiting', 'paused') AND b.planned_at IS NOT NULL AND p.skipped_in_plan > 0;

-- Nothing but its key finds a planned item, or a retry, by `backfill_no = …`; these two are asked by `backfill_no + 0 = …`.
-- Of a backfill that the statistics do not know the planner expects one row, and so takes either of two indexes that
-- begin with its number: the wrong one reads all of the backfill for every single item.
DROP INDEX plan_items_by_entity;
CREATE UNIQUE INDEX plan_items_by_entity ON plan_items ((backfill_no + 0), entity_id);
DROP INDEX retries_due;
CREATE INDEX retries_due ON retries ((backfill_no + 0), next_attempt_at);
