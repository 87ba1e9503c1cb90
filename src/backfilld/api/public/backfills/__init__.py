"""Backfills over HTTP."""
