"""Applications: the OAuth clients, each an isolated tenant with an account of its own.

Not part of Dwolla's API, hence no wire and no routes: `tallystick app` and the sandbox's control
API work on the service.
"""
