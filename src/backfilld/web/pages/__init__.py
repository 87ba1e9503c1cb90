"""The pages, a package for each: what it shows, as values, and its routes."""
