"""When a backfill will begin and end."""
