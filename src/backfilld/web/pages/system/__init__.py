"""The installation as a whole: how it is, what it depends on, who may do what, and who did."""
