"""Funding sources: bank accounts usable for transfers, here mostly made from exchanges (6.3)."""
