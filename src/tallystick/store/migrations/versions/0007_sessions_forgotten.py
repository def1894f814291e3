"""What a partner gave for a session is destroyed a day after it expired: the index finds it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    sealed = sa.text("length(provider_session_sealed) > 0")
    op.create_index(
        "exchange_session_sealed",
        "exchange_session",
        ["expires_at"],
        sqlite_where=sealed,
        postgresql_where=sealed,
    )
