"""Who asks, with which key and which role."""
