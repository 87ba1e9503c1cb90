-- One order in front of every start, for all daemons on this database; and, beside each lease, which version of it
-- the holder obeys. Whoever takes a lease locks the order's row, so that an order is either seen then or sees the lease.

CREATE TABLE stop_order (
    only_one boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
    version  bigint      NOT NULL DEFAULT 0,
    stopped  boolean     NOT NULL DEFAULT false,
    by       text,
    why      text,
    since    timestamptz,
    CHECK (NOT stopped OR (by IS NOT NULL AND since IS NOT NULL))
);
INSERT INTO stop_order DEFAULT VALUES;

ALTER TABLE leases ADD COLUMN obeys_stop bigint NOT NULL DEFAULT 0;
