"""All backfills, what needs a person first."""
