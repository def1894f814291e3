"""What a card's issuer said to the name that was expected on it. No name is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("exchange", sa.Column("name_match", sa.Text(), nullable=True))
