"""How backfills went, written down to be looked at."""
