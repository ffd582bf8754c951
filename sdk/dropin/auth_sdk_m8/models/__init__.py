"""Models of a service's database."""
