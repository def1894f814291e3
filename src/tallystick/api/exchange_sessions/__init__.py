"""Exchange sessions: one attempt to obtain consent through a partner (contract 5.8, 5.9)."""
