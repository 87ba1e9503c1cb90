"""HTTP in and out: decode, call one operation, encode."""
