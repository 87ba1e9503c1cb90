"""Entities that live behind somebody's REST API."""
