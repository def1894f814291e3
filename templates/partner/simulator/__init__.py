"""A stand-in for Acme, a program of its own: the connector knows nothing of it."""
