"""What every page stands in: who is there, what he may send, the shell around the page, and its files."""
