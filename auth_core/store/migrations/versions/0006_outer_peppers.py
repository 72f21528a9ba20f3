"""A stored secret may be under newer peppers too, one around the other."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "credentials",
        sa.Column("outer_versions", sa.String(64), nullable=False, server_default=""),
    )


def downgrade() -> None:
    """What is under a newer pepper cannot be freed of it: its owner needs a new secret."""
    op.execute("DELETE FROM credentials WHERE outer_versions <> ''")
    with op.batch_alter_table("credentials") as credentials:
        credentials.drop_column("outer_versions")
