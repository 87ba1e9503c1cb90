"""One backfill: its progress, its ledger, what failed, what happened, and what may be done."""
