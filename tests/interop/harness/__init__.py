"""What interop tests start and stop: the issuer, people who use it, programs of any kind."""
