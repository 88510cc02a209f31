"""What destinations accept, and what is kept back from them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WORDS = (("result", "fault"), ("delivery", "warning"), ("job_destination", "note"))


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "profile",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("probed_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("accepted", sa.JSON(), nullable=False),
        sa.Column("software", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_profile")),
    )
    for table, column in _WORDS:
        op.add_column(table, sa.Column(column, sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Go back. What was quarantined is forgotten: the older program would send it as soon as somebody retries."""
    op.execute("DELETE FROM delivery WHERE state = 'quarantined'")
    for table, column in reversed(_WORDS):
        op.drop_column(table, column)
    op.drop_table("profile")
