"""Webhooks by choice: topics, a second secret while it is replaced, replays; what is forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger()


def index(name: str, table: str, columns: list[str], where: str) -> None:
    only = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=only, postgresql_where=only)


def upgrade() -> None:
    for column in (
        sa.Column("topics", sa.Text(), nullable=True),
        sa.Column("secret_old_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("secret_old_until", BIG, nullable=True),
    ):
        op.add_column("subscription", column)
    index(
        "subscription_old_secret",
        "subscription",
        ["secret_old_until"],
        "secret_old_until IS NOT NULL",
    )
    # A replay of many gives way to what is new and to what a person waits for.
    op.add_column(
        "retry", sa.Column("bulk", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.drop_index("retry_due", "retry")
    index("retry_due", "retry", ["subscription_id", "bulk", "id"], "state = 'due'")
    index(
        "webhook_dead",
        "webhook",
        ["subscription_id", "number"],
        "state IN ('exhausted', 'stopped')",
    )
    # What an attempt said is forgotten after a time.
    index("attempt_to_forget", "attempt", ["started_at"], "request_body <> ''")
    # What the sandbox was asked to say is wrong with a customer.
    op.add_column("customer", sa.Column("directive", sa.Text(), nullable=True))
