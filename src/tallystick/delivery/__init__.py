"""Delivers webhooks: inside the gateway's process, alone as `tallystick worker`, or both.

bell.py     wakes the worker when webhooks were committed
worker.py   who is served when, and how many at once
message.py  what is sent: headers, body, signatures
post.py     one POST: one deadline, capped answers, no redirects
egress.py   where a POST may go
chaos.py    what the sandbox may do to a webhook on its way
"""
