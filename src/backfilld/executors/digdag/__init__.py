"""Workflows that a digdag server runs for us: ours to start and to wait for, theirs to do."""
