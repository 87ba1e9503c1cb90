-- A target may have received an item without an answer that told what became of it: the time was over, the connection
-- broke, the daemon was killed. If the next request under the same key is answered by a conflict, the first may be under
-- way, and is waited for. `unknown_since`: the first such answer.

ALTER TABLE retries
    ADD COLUMN in_doubt boolean NOT NULL DEFAULT false,
    ADD COLUMN unknown_since timestamptz;
ALTER TABLE attempts
    ADD COLUMN in_doubt boolean NOT NULL DEFAULT false,
    ADD COLUMN unknown_since timestamptz;

-- What waits already: which of its tries told nothing was not written down, so any may have.
UPDATE retries SET in_doubt = true WHERE tries > 0;
UPDATE attempts SET in_doubt = true WHERE finished_at IS NULL AND tries > 0;
