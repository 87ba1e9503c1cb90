"""Backfills that run: found, planned, worked off, recorded."""
