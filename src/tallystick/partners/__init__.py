"""One folder per exchange partner.

A partner is a folder that names its two ends as strings: the connector, which speaks the partner's
real API, and the simulator, which stands in for the partner over the same wire. This package
imports none of them; `registry` finds them.
"""
