-- What a pushed workflow was written as: shown to the clients that pushed it, and read by nobody else.
ALTER TABLE revisions ADD COLUMN document json;
