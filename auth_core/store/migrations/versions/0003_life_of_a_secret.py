"""One-time references for transferred calls, tasks for the back office, notices of expiry given,
and the number that a changed one took the place of."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "transfer_references",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("file_id", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["case_files.id"],
            name=op.f("fk_transfer_references_file_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_transfer_references")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["case_files.id"], name=op.f("fk_tasks_file_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    for table, column in (
        ("transfer_references", "file_id"),
        ("transfer_references", "expires_at"),
        ("tasks", "file_id"),
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    op.add_column("credentials", sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_credentials_expires_at"), "credentials", ["expires_at"], unique=False)
    op.add_column("phones", sa.Column("previous", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("phones", "previous")
    op.drop_index(op.f("ix_credentials_expires_at"), table_name="credentials")
    op.drop_column("credentials", "noticed_at")
    op.drop_table("tasks")
    op.drop_table("transfer_references")
