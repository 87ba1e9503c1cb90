"""What people and brakes said: kept for all daemons."""
