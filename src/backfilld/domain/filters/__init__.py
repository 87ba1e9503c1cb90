"""The filter language: a reader for each spelling, one tree, and its meaning as a predicate."""
