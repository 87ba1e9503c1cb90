"""Items as HTTP requests."""
