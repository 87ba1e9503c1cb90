"""How a database is reached: pool, patience, errors, named queries."""
