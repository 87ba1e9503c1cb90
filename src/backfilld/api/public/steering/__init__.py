"""What people do to a backfill on its way beside pausing, resuming and cancelling it, over HTTP."""
