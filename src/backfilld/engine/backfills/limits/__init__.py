"""The limits that a backfill has of its own: failures, credits, pace."""
