"""Rows of what is managed: workflows, projects, keys, the audit log, the stop order."""
