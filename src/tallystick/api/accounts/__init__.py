"""GET /accounts/{id}: the operator's own account. Lives in `applications`, hence no store."""
