"""Rows of outcomes, tries and retries, and the last runs that they come to."""
