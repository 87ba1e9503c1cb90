"""What people may ask for about schedules."""
