"""Slots of a schedule and the runs of them: records, variables, positions."""
