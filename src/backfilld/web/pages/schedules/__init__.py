"""Schedules: all of them, one with its sessions, and what may be done to it."""
