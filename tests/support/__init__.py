"""What tests are made of: databases, a clock that moves when told to."""
