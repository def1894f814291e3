"""Customers: the parties that exchanges and funding sources belong to (contract 6.2)."""
