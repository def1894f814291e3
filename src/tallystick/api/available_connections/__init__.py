"""Available exchange connections: accounts that a person has already shared with a partner.

They are the partner's, not ours, hence no store (contract 5.11).
"""
