"""`backfilld entities …`."""
