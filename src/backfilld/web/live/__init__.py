"""What changes on pages that are open: looked at once for all who see the same."""
