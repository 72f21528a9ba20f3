"""The sessions that apps hold tokens of."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app_tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("file_id", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("last_login", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures_since", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["case_files.id"],
            name=op.f("fk_app_tokens_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_app_tokens")),
    )
    op.create_index(op.f("ix_app_tokens_file_id"), "app_tokens", ["file_id"], unique=False)
    op.create_index(op.f("ix_app_tokens_began_at"), "app_tokens", ["began_at"], unique=False)


def downgrade() -> None:
    op.drop_table("app_tokens")
