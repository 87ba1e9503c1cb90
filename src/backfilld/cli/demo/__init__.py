"""`backfilld demo`: a daemon, a target and a backfill to look at."""
