"""Engines that do the work for us, and what is mirrored from them."""
