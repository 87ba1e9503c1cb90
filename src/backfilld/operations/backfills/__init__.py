"""What people may ask for about backfills."""
