"""Schedules that fire."""
