"""What people may ask for about the sessions of a schedule and their attempts."""
