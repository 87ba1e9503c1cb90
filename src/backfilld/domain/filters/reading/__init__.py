"""A filter as a caller writes it, read strictly into its tree."""
