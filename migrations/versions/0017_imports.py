"""Imports, and which of them brought a play or a signal."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BROUGHT_BY = "the imports that brought it; NULL: it came otherwise"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "imports",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False, comment="without its folder, or the address that was read"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="sha256 of the file and of who was taken for whom"),
        sa.Column("counts", JSONB(), nullable=False, server_default="{}", comment="what became of its lines when it was last read"),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), comment="NULL: broken off"),
        sa.Column("undone_at", sa.DateTime(timezone=True), comment="when it was taken back"),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("imports_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("imports_pkey")),
    )
    op.create_index(
        "imports_standing_idx",
        "imports",
        ["server_id", "kind", "digest"],
        unique=True,
        postgresql_where=sa.text("undone_at IS NULL"),
    )
    for table in ("plays", "signals"):
        op.add_column(table, sa.Column("import_ids", sa.ARRAY(sa.BigInteger()), comment=BROUGHT_BY))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for table in ("signals", "plays"):
        op.drop_column(table, "import_ids")
    op.drop_index("imports_standing_idx", "imports")
    op.drop_table("imports")
