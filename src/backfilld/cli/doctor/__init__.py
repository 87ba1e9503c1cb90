"""Looks at everything that a daemon needs, and says what is wrong and what to do about it."""
