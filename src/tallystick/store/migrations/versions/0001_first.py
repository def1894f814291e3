"""The first schema: applications, customers, exchanges, funding sources, events.

Ids are UUIDs as text. Times are milliseconds since the epoch and end in `_at`. What ends in
`_sealed` is a box of `store/vault.py`; what ends in `_hash` cannot be turned back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.String(36)
BIG = sa.BigInteger()
# SQLite numbers rows by itself only in a column of type INTEGER.
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BOX = sa.LargeBinary()


def text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def uuid(name: str, *, null: bool = False, primary: bool = False) -> sa.Column[str]:
    return sa.Column(name, ID, nullable=null, primary_key=primary)


def at(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, BIG, nullable=null)


def upgrade() -> None:
    keys_and_applications()
    customers()
    exchanges()
    funding_sources()
    records()


def keys_and_applications() -> None:
    op.create_table(
        "application",
        uuid("id", primary=True),
        sa.Column("client_id", sa.Text(), nullable=False, unique=True),
        sa.Column("client_secret_hash", BOX, nullable=False),
        sa.Column("account_id", ID, nullable=False, unique=True),
        text("account_name"),
        text("status"),
        text("account_status"),
        text("withheld"),
        text("redirect_urls"),
        at("created_at"),
    )
    # app_id is not a foreign key: the keys of the whole installation carry an empty one.
    op.create_table(
        "data_key",
        sa.Column("number", SERIAL, primary_key=True, autoincrement=True),
        text("app_id"),
        text("purpose"),
        sa.Column("wrapped", BOX, nullable=False),
        text("wrapped_by"),
        sa.Column("retired", sa.Boolean(), nullable=False),
        at("created_at"),
    )
    # One key in use per application and purpose, also when two processes make it at once.
    op.create_index(
        "data_key_in_use",
        "data_key",
        ["app_id", "purpose"],
        unique=True,
        sqlite_where=sa.text("NOT retired"),
        postgresql_where=sa.text("NOT retired"),
    )
    op.create_table(
        "access_token",
        sa.Column("token_hash", BOX, primary_key=True),
        sa.Column("app_id", ID, sa.ForeignKey("application.id"), nullable=False),
        at("expires_at"),
        at("created_at"),
    )
    op.create_index("access_token_expiry", "access_token", ["expires_at"])
    op.create_table(
        "idempotency",
        sa.Column("app_id", ID, sa.ForeignKey("application.id"), primary_key=True),
        sa.Column("key_hash", BOX, primary_key=True),
        sa.Column("request_hash", BOX, nullable=False),
        sa.Column("reply_sealed", BOX, nullable=True),
        at("created_at"),
    )
    op.create_index("idempotency_age", "idempotency", ["created_at"])


def customers() -> None:
    op.create_table(
        "customer",
        uuid("id", primary=True),
        sa.Column("app_id", ID, sa.ForeignKey("application.id"), nullable=False),
        text("type"),
        text("status"),
        text("status_before", null=True),
        text("first_name"),
        text("last_name"),
        text("email"),
        text("email_folded"),
        text("business_name", null=True),
        text("correlation_id", null=True),
        text("details"),
        at("created_at"),
        sa.UniqueConstraint("app_id", "email_folded", name="customer_email"),
        sa.UniqueConstraint("app_id", "correlation_id", name="customer_correlation"),
    )
    op.create_index("customer_newest", "customer", ["app_id", "id"], unique=True)


def exchanges() -> None:
    op.create_table(
        "exchange_session",
        uuid("id", primary=True),
        uuid("app_id"),
        uuid("customer_id", null=True),
        uuid("exchange_id", null=True),
        text("partner_key"),
        text("external_id", null=True),
        sa.Column("provider_session_sealed", BOX, nullable=False),
        at("expires_at"),
        at("created_at"),
    )
    # The intent to redeem one proof; its id is the id that the exchange will have.
    op.create_table(
        "exchange_intent",
        uuid("id", primary=True),
        uuid("app_id"),
        uuid("customer_id", null=True),
        text("partner_key"),
        sa.Column("proof_hash", BOX, nullable=False),
        sa.Column("proof_sealed", BOX, nullable=True),
        text("state"),
        sa.Column("tried", sa.Integer(), nullable=False),
        at("lease_until"),
        sa.Column("grant_sealed", BOX, nullable=True),
        sa.Column("idempotency_hash", BOX, nullable=True),
        text("failure", null=True),
        at("created_at"),
    )
    # One proof, one exchange, however many ask at once (invariant I2).
    op.create_index(
        "exchange_intent_proof",
        "exchange_intent",
        ["app_id", "partner_key", "proof_hash"],
        unique=True,
        sqlite_where=sa.text("state <> 'failed'"),
        postgresql_where=sa.text("state <> 'failed'"),
    )
    op.create_index(
        "exchange_intent_open",
        "exchange_intent",
        ["lease_until"],
        sqlite_where=sa.text("state IN ('calling', 'granted')"),
        postgresql_where=sa.text("state IN ('calling', 'granted')"),
    )
    op.create_table(
        "exchange",
        uuid("id", primary=True),
        uuid("app_id"),
        uuid("customer_id", null=True),
        text("partner_key"),
        text("status"),
        text("external_id"),
        sa.Column("grant_sealed", BOX, nullable=True),
        at("consent_expires_at", null=True),
        at("created_at"),
    )
    op.create_index("exchange_of_customer", "exchange", ["app_id", "customer_id", "id"])
    op.create_index("exchange_external", "exchange", ["partner_key", "external_id"])


def funding_sources() -> None:
    op.create_table(
        "funding_source",
        uuid("id", primary=True),
        uuid("app_id"),
        uuid("owner_id"),  # a customer, or the account itself
        uuid("customer_id", null=True),
        uuid("exchange_id", null=True),
        text("status"),
        text("type"),
        text("bank_account_type", null=True),
        text("name"),
        text("bank_name", null=True),
        text("channels"),
        text("fingerprint", null=True),
        sa.Column("numbers_sealed", BOX, nullable=True),
        text("account_external_id", null=True),
        sa.Column("removed", sa.Boolean(), nullable=False),
        at("removed_at", null=True),
        at("created_at"),
    )
    op.create_index("funding_source_of_owner", "funding_source", ["app_id", "owner_id", "id"])
    for name, columns in (
        ("funding_source_bank", ["app_id", "owner_id", "fingerprint"]),
        ("funding_source_exchange", ["app_id", "exchange_id"]),
    ):
        op.create_index(
            name,
            "funding_source",
            columns,
            unique=True,
            sqlite_where=sa.text("NOT removed"),
            postgresql_where=sa.text("NOT removed"),
        )


def records() -> None:
    op.create_table(
        "event",
        sa.Column("number", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("id", ID, nullable=False, unique=True),
        uuid("app_id"),
        text("topic"),
        text("resource"),
        uuid("resource_id"),
        uuid("customer_id", null=True),
        at("created_at"),
    )
    op.create_index("event_newest", "event", ["app_id", "number"])
    # Every change of state, also those for which Dwolla has no topic (decision 16).
    op.create_table(
        "audit",
        sa.Column("number", SERIAL, primary_key=True, autoincrement=True),
        uuid("app_id"),
        text("resource"),
        uuid("resource_id"),
        text("change"),
        at("created_at"),
    )
    op.create_index("audit_resource", "audit", ["resource_id"])
