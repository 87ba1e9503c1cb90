"""The form of a backfill of a schedule: what is asked, what it would do, and that it is made as shown."""
