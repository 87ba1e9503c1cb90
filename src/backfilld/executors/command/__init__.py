"""Items as programs."""
