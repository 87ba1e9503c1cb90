"""What was measured: kept, judged, and shown."""
