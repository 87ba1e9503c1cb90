"""What is done to one item."""
