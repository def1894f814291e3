"""A stand-in for Acme: a program of its own, which shares nothing with the connector."""
