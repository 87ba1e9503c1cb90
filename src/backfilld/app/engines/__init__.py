"""Engines that do the work for us, joined."""
