"""A stand-in for Mastercard's Open Banking API in the US, its access keys and its Connect page."""
