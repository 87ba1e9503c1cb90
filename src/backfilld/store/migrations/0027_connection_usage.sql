-- How often each connection to an API was asked in each minute of the last hour, so that a restart does not forget what
-- its budget has spent. Each process adds what it asked.
CREATE TABLE connection_usage (
    connection text NOT NULL,
    minute timestamptz NOT NULL,
    requests integer NOT NULL CHECK (requests > 0),
    PRIMARY KEY (connection, minute)
);
