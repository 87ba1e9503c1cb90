"""How each system spells a request, and what its answers mean."""
