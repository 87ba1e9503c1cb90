"""APIs that entities come from, and the types that they list."""
