"""Starts published apps in a sandbox; see `launcher`."""
