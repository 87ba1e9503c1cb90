"""Fields of forms that more than one page has, and the values of a request that they say, either way."""
