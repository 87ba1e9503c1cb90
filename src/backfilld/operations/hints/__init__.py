"""What helps whoever writes a filter: fields and values that records have, and why nothing matches."""
