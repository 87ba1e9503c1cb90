"""Attempts that no backfill carries: fired by a schedule, or started by hand."""
