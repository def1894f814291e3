"""Stands in for Tink: the API and Tink Link under one address."""
