"""The outbox learns who is sending a message, since when, and how often it was tried."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("lease", sa.String(length=32), nullable=True))
    op.add_column("messages", sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "messages", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column("messages", sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("messages", sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_messages_tried_at"), "messages", ["tried_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_messages_tried_at"), table_name="messages")
    for name in ("sent_at", "tried_at", "attempts", "leased_until", "lease"):
        op.drop_column("messages", name)
