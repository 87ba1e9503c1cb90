"""`backfilld backfills …`."""
