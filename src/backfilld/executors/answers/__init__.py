"""What a target answered or a command printed, read and kept without secrets."""
