"""Flinks' stand-in: its API, its data sharing, and Flinks Connect with the bank Flinks Capital."""
