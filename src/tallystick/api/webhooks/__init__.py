"""Webhooks: one event as it is told to one subscription, with every attempt and retry (contract
6.7). `queue.py` is what the delivery worker asks for work and tells the outcome.
"""
