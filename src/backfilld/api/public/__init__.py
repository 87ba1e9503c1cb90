"""`/public-api/…`: backfills over entities."""
