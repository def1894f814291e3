"""Exchange partners: who can provide an exchange. They are code, not rows, hence no store."""
