"""The store: one database, SQLite or PostgreSQL, and what is written to it sealed."""
