"""Brakes: what holds starts while the present suffers."""
