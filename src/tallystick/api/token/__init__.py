"""Access tokens: client credentials in, a bearer token out (contract 1)."""
