"""How far each import of sealed PINs has come."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COUNTED = ("chunks", "imported", "kept", "malformed", "duplicate", "unknown", "closed")


def upgrade() -> None:
    op.create_table(
        "pin_imports",
        sa.Column("id", sa.String(length=32), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTED),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pin_imports")),
    )


def downgrade() -> None:
    op.drop_table("pin_imports")
