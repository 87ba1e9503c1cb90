"""How numbers, times and states are said on pages."""
