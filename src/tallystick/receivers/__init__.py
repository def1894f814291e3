"""Webhooks in a web framework: the event, verified, in one line. One module for each framework.

Each needs its framework and the base install. What is not signed with one of the secrets is
answered with 401 and never reaches your code; several secrets are for the time of a rotation.
"""
