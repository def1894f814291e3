"""Webhook subscriptions: where an application wants to be told of its events (contract 6.7)."""
