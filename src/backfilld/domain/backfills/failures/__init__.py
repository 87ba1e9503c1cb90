"""Failures: when there are too many, and which are alike."""
