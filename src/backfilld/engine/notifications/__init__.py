"""The room of notifications: from what was committed to who is to hear of it."""
