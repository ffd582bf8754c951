"""The programs that the tests are about: the issuer, a service that trusts it, and Redis."""
