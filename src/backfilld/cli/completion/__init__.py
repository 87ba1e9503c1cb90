"""Lets a shell complete words of the program."""
