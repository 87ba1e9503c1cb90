"""Where entities come from, joined."""
