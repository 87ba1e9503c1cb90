"""Engines that answer as the real ones document, each in a hundred lines."""
