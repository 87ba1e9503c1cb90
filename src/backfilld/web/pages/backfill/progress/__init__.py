"""How far a backfill is: its numbers, what ended when, when it may run, what failed, what happened."""
