"""What of a backfill is drawn: what ended when, and when it may run."""
