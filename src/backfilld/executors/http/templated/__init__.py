"""Requests that a definition spells out, and what becomes of the runs that they start."""
