"""A service that keeps items for the people of a Vestibule server."""
