"""Backfills and what becomes of their items: records, statuses, retries, progress."""
