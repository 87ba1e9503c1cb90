"""Rows of entities, and filters over them as SQL."""
