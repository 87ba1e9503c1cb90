"""The page on which a backfill is put together, looked at, and made."""
