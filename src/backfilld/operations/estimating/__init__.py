"""How much there is to do, what it costs, and how fast it goes."""
