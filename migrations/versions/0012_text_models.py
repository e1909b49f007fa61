"""Text models change and change back: since when a space is kept, what holds it, how many vectors it should hold, what is wrong with it."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COLUMNS: dict[str, tuple[TypeEngine[Any], str]] = {
    "kept_at": (sa.DateTime(timezone=True), "when it stopped being live"),
    "pinned_over": (sa.Text(), "the setting's model that it stays live against; NULL: none"),
    "n_vectors": (sa.Integer(), "that it held when it was last filled; NULL: not counted yet"),
    "fault": (sa.Text(), "why answers from it are degraded; NULL: they are not"),
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for name, (kind, comment) in COLUMNS.items():
        op.add_column("spaces", sa.Column(name, kind, comment=comment))
    op.create_check_constraint(
        op.f("spaces_fault_check"), "spaces", "fault IN ('text_space_incomplete', 'text_space_empty', 'previous_text_space')"
    )
    op.execute("UPDATE spaces SET kept_at = now() WHERE status = 'kept'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for name in COLUMNS:
        op.drop_column("spaces", name)
