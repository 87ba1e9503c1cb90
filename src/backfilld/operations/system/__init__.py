"""How this installation is, and what is asked of it as a whole."""
