"""What answers people and programs, joined. Nothing that runs by itself needs it, so it is imported after that."""
