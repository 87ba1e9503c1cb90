"""Manual pages of the command, made while the package is built."""
