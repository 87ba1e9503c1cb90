"""Rows of backfills, their plans and leases."""
