"""From a filter, a list of ids or a schedule to a frozen plan."""
