"""Signed events over Redis."""
