"""Signing in and out, where one is signed in, and how one likes the pages."""
