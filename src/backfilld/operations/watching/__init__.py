"""Looking at backfills: why they stand still, how they went, what failed."""
