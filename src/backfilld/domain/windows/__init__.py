"""When a backfill may run: weekly windows in a time zone, and the instants they come to."""
