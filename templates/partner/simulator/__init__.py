"""A stand-in for Acme, a program of its own: it shares nothing with the connector."""
