"""What the daemon that runs a backfill knows of it, and says to the others."""
