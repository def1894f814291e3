"""A stand-in for MX's Platform API, its processor calls and its Connect page."""
