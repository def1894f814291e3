"""GET /: the entry point. Has no service and no store: everything in it is the caller's own."""
