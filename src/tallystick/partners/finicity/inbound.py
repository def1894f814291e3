"""Finicity tells a processor nothing, hence this partner does not notify.

Connect's webhooks go to the address that the integrator gives when it has a Connect URL made, and
are signed (`X-Finicity-Signature`) with the integrator's partner secret, which we do not have. They
name the integrator's customer and account, of which a receipt only shows stand-ins, so that even a
forwarded one could not be matched to a grant. See docs/partners/finicity.md.
"""
