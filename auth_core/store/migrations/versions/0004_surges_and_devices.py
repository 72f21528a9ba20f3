"""Failures counted by trunk and in all, and the devices that a file's owner logged in from."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "surges",
        sa.Column("scope", sa.LargeBinary(), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("before", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_surges")),
    )
    op.create_index(op.f("ix_surges_began"), "surges", ["began"], unique=False)
    op.create_table(
        "known_devices",
        sa.Column("file_id", sa.String(length=64), nullable=False),
        sa.Column("device", sa.LargeBinary(), nullable=False),
        sa.Column("last_login", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["case_files.id"],
            name=op.f("fk_known_devices_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("file_id", "device", name=op.f("pk_known_devices")),
    )
    op.create_index(op.f("ix_known_devices_last_login"), "known_devices", ["last_login"])


def downgrade() -> None:
    op.drop_index(op.f("ix_known_devices_last_login"), table_name="known_devices")
    op.drop_table("known_devices")
    op.drop_index(op.f("ix_surges_began"), table_name="surges")
    op.drop_table("surges")
