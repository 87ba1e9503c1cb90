"""What is measured by itself, each with a command of its own; it says what it needs."""
