"""Sandbox simulations: what Dwolla's sandbox is asked to do by itself. Nothing is kept of them but
what they do to a customer, hence no store.
"""
