"""Asking an API: over the wire, with credentials, within a budget."""
