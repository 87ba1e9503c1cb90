"""APIs that behave like those of service desks, on 127.0.0.1, with made-up records."""
