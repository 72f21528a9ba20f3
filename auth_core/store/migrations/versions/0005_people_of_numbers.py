"""Numbers and addresses are found by their person, so that removing a person looks at no others."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("phones", "addresses")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(op.f(f"ix_{table}_person_id"), table, ["person_id"], unique=False)


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(op.f(f"ix_{table}_person_id"), table_name=table)
