"""From a frozen plan to outcomes, one free slot at a time."""
