"""One session with its attempts, what they printed, and what may be done to them."""
