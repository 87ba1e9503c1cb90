"""How results, times, failures and exit codes look."""
