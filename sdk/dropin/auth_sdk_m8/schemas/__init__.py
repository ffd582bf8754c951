"""What travels between services."""
