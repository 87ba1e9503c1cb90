"""What people may ask for, one function per verb, shared by every way in."""
