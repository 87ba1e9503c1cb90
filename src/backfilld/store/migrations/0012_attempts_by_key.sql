-- A session has a few attempts, which its key finds. This index was worse than none: vacuumed while nothing was
-- unfinished, it passes for empty ever after, and is read from end to end to find one attempt among 100,000 that wait.
DROP INDEX attempts_unfinished;
