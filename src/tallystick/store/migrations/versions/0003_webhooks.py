"""Webhooks: who is told, what each is to be told, every attempt at it, and retries asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ID = sa.String(36)
BIG = sa.BigInteger()
BOX = sa.LargeBinary()


def text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def uuid(name: str, *, null: bool = False, primary: bool = False) -> sa.Column[str]:
    return sa.Column(name, ID, nullable=null, primary_key=primary)


def at(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, BIG, nullable=null)


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    only = None if where is None else sa.text(where)
    op.create_index(name, table, columns, sqlite_where=only, postgresql_where=only)


def upgrade() -> None:
    subscriptions()
    webhooks()
    attempts()


def subscriptions() -> None:
    # `failures` are those since the last success.
    op.create_table(
        "subscription",
        uuid("id", primary=True),
        sa.Column("app_id", ID, sa.ForeignKey("application.id"), nullable=False),
        text("url"),
        sa.Column("secret_sealed", BOX, nullable=True),
        flag("paused"),
        flag("removed"),
        sa.Column("failures", BIG, nullable=False),
        at("created_at"),
    )
    index("subscription_of_application", "subscription", ["app_id", "id"])


def webhooks() -> None:
    op.create_table(
        "webhook",
        uuid("id", primary=True),
        uuid("app_id"),
        sa.Column("subscription_id", ID, sa.ForeignKey("subscription.id"), nullable=False),
        sa.Column("number", BIG, nullable=False),
        uuid("event_id"),
        text("topic"),
        uuid("resource_id"),
        text("state"),
        sa.Column("tried", sa.Integer(), nullable=False),
        at("first_at", null=True),
        at("due_at"),
        at("lease_until"),
        at("created_at"),
        sa.UniqueConstraint("subscription_id", "number", name="webhook_order"),
    )
    index("webhook_due", "webhook", ["subscription_id", "due_at", "number"], "state = 'due'")
    # Finds out whether an earlier one about the same resource has yet to be tried.
    index(
        "webhook_untried",
        "webhook",
        ["subscription_id", "resource_id", "number"],
        "state = 'due' AND tried = 0",
    )
    op.create_table(
        "retry",
        uuid("id", primary=True),
        uuid("app_id"),
        sa.Column("webhook_id", ID, sa.ForeignKey("webhook.id"), nullable=False),
        uuid("subscription_id"),
        text("state"),
        at("lease_until"),
        at("created_at"),
    )
    index("retry_of_webhook", "retry", ["webhook_id", "id"])
    index("retry_due", "retry", ["subscription_id", "id"], "state = 'due'")


def attempts() -> None:
    # Headers are JSON lists of `{"name": …, "value": …}`, as they are shown.
    op.create_table(
        "attempt",
        uuid("id", primary=True),
        uuid("app_id"),
        sa.Column("webhook_id", ID, sa.ForeignKey("webhook.id"), nullable=False),
        uuid("subscription_id"),
        at("started_at"),
        text("url"),
        text("request_headers"),
        text("request_body"),
        at("ended_at"),
        flag("ok"),
        sa.Column("status_code", sa.Integer(), nullable=True),
        text("response_headers", null=True),
        text("response_body", null=True),
        text("failure", null=True),
    )
    index("attempt_of_webhook", "attempt", ["webhook_id", "id"])
    # When a subscription last had a success: asked before it is paused.
    index("attempt_success", "attempt", ["subscription_id", "ended_at"], "ok")
