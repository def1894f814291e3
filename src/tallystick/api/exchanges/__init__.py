"""Exchanges: the standing, consented connection to an account at an institution (contract 5.3 to
5.7). The folder to read first; every other resource has its shape.
"""
