"""Rows of sessions and attempts."""
