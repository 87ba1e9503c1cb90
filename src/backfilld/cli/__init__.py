"""The command line: a twin of the HTTP API, and the few commands that go to the database."""
