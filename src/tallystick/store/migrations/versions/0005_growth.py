"""What keeps a large store fast: totals that are kept, and an index of the orphans."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "tally",
        sa.Column("app_id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("slot", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
    )
    for kind, table in (
        ("'customers'", "customer"),
        ("'events'", "event"),
        ("subscription_id", "webhook"),
    ):
        op.execute(
            "INSERT INTO tally (app_id, kind, slot, total)"
            f" SELECT app_id, {kind}, 0, count(*) FROM {table} GROUP BY 1, 2"
        )
    orphans = sa.text("state = 'orphan'")
    op.create_index(
        "exchange_intent_orphan",
        "exchange_intent",
        ["id"],
        sqlite_where=orphans,
        postgresql_where=orphans,
    )
