"""The part that runs by itself."""
