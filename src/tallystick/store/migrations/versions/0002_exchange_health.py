"""How well an exchange is; where a person goes back to; partners' notices that were seen."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger()


def upgrade() -> None:
    for column in (
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("cause_code", sa.Text(), nullable=True),
        sa.Column("cause_at", BIG, nullable=True),
        sa.Column("deadline_at", BIG, nullable=True),
        sa.Column("seen_well_at", BIG, nullable=True),
        sa.Column("checked_at", BIG, nullable=False, server_default="0"),
    ):
        op.add_column("exchange", column)
    living = "status IN ('active', 'deactivated')"
    for name, columns, where in (
        ("exchange_due", ["checked_at"], living),
        ("exchange_deadline", ["deadline_at"], "deadline_at IS NOT NULL AND status = 'active'"),
        (
            "exchange_ending",
            ["consent_expires_at"],
            "consent_expires_at IS NOT NULL AND cause IS NULL AND status = 'active'",
        ),
    ):
        op.create_index(
            name,
            "exchange",
            columns,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
    op.add_column("exchange_session", sa.Column("redirect_url", sa.Text(), nullable=True))
    op.add_column("exchange_session", sa.Column("returned_at", BIG, nullable=True))
    op.create_table(
        "partner_notice",
        sa.Column("body_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("received_at", BIG, nullable=False),
    )
    op.create_index("partner_notice_age", "partner_notice", ["received_at"])
    # A debit card: who it is of and where its bills go are sealed, its number is nowhere.
    op.add_column("funding_source", sa.Column("card_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("funding_source", sa.Column("bank_usage_type", sa.Text(), nullable=True))
    kept = sa.text("removed AND (numbers_sealed IS NOT NULL OR card_sealed IS NOT NULL)")
    op.create_index(
        "funding_source_to_forget",
        "funding_source",
        ["removed_at"],
        sqlite_where=kept,
        postgresql_where=kept,
    )
