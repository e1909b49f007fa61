"""States of engagement (finished, in progress), facets of tastes, and what search and the home rows read."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FINISHED = "distinct episodes watched to the end, specials aside"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column(
        "engagement",
        sa.Column("n_finished", sa.Integer(), server_default=sa.text("0"), nullable=False, comment=FINISHED),
    )
    op.add_column(
        "engagement",
        sa.Column("is_finished", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="the title as a whole"),
    )
    op.add_column(
        "engagement",
        sa.Column("played_ratio", sa.REAL(), nullable=True, comment="played time over running time, not capped; NULL: unknown"),
    )
    op.add_column("items", sa.Column("n_episodes", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="specials aside"))
    op.add_column(
        "items",
        sa.Column("search_key", sa.Text(), server_default=sa.text("''"), nullable=False, comment="name and original name, folded; search"),
    )
    op.create_index("items_added_at_idx", "items", ["server_id", sa.literal_column("added_at DESC NULLS LAST"), "id"])
    op.add_column(
        "tastes",
        sa.Column("recipe", sa.Text(), server_default=sa.text("''"), nullable=False, comment="the weights that it was computed with"),
    )
    op.add_column("tastes", sa.Column("label", sa.Text(), nullable=True, comment="what a facet's items share; NULL: nothing, or facet 0"))
    op.add_column(
        "tastes",
        sa.Column("share", sa.REAL(), server_default=sa.text("1"), nullable=False, comment="of the positive weight, 0..1"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.drop_index("items_added_at_idx", table_name="items")
    for table, column in (
        ("tastes", "share"), ("tastes", "label"), ("tastes", "recipe"), ("items", "search_key"), ("items", "n_episodes"),
        ("engagement", "played_ratio"), ("engagement", "is_finished"), ("engagement", "n_finished"),
    ):  # fmt: skip
        op.drop_column(table, column)
