"""What people are told, and how often somebody tries to."""
