"""Models as rows; slates say which model, which sources and which features; what came of them; skew."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column(
        "slates", sa.Column("row_id", sa.Text(), nullable=False, server_default="recommendations", comment="or a row of the home page")
    )
    op.add_column("slates", sa.Column("model_id", sa.BigInteger(), comment="the ranker that put it in order; NULL: none"))
    op.add_column(
        "slates",
        sa.Column("first_rank", sa.Integer(), nullable=False, server_default="1", comment="of the first item: a deeper page starts later"),
    )
    op.add_column("slates", sa.Column("sources", ARRAY(sa.Text()), comment="of each item, joined by +; NULL: logged before they were"))
    op.add_column("slates", sa.Column("features", ARRAY(sa.REAL()), comment="as the ranker saw them, item by item; NULL: not sampled"))
    op.drop_constraint("slates_pkey", "slates")
    op.create_primary_key("slates_pkey", "slates", ["server_id", "id", "row_id"])
    op.create_index("slates_served_at_idx", "slates", ["server_id", "served_at"])
    op.create_table(
        "models",
        _server(),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="lambdamart, dlrm"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("parameters", JSONB(), nullable=False),
        sa.Column("metrics", JSONB(), nullable=False, comment="with intervals, and against the one that was live"),
        sa.Column("data_window", JSONB(), nullable=False, comment="what it was trained on"),
        sa.Column("card", JSONB(), nullable=False, server_default="{}", comment="features, their importance and distributions"),
        sa.Column("code_revision", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of the bytes"),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        _now("created_at"),
        sa.Column("live_at", sa.DateTime(timezone=True)),
        sa.Column("promoted_because", sa.Text(), comment="why, where the figures spoke against it"),
        sa.CheckConstraint("kind IN ('ranker')", name=op.f("models_kind_check")),
        sa.CheckConstraint("status IN ('candidate', 'live', 'kept', 'retired')", name=op.f("models_status_check")),
        sa.CheckConstraint("octet_length(bytes) <= 52428800", name=op.f("models_bytes_check")),
        _of_server("models"),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("models_pkey")),
    )
    op.create_index("models_live_idx", "models", ["server_id", "kind"], unique=True, postgresql_where=sa.text("status = 'live'"))
    op.create_table(
        "watch_through",
        _server(),
        sa.Column("day", sa.Date(), nullable=False, comment="of the answers, UTC"),
        sa.Column("row_id", sa.Text(), nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False, comment="0: none"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("n_shown", sa.Integer(), nullable=False),
        sa.Column("n_watched", sa.Integer(), nullable=False, comment="begun by the same user within the days that follow"),
        _of_server("watch_through"),
        sa.PrimaryKeyConstraint("server_id", "day", "row_id", "model_id", "source", "rank", name=op.f("watch_through_pkey")),
    )
    op.create_table(
        "feature_skew",
        _server(),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("n_served", sa.Integer(), nullable=False),
        sa.Column("psi", sa.REAL(), comment="population stability index; NULL: too few rows"),
        sa.Column("kl", sa.REAL(), comment="Kullback-Leibler divergence of served from trained, nats"),
        sa.Column("is_flagged", sa.Boolean(), nullable=False, server_default=sa.false()),
        _now("computed_at"),
        _of_server("feature_skew"),
        sa.PrimaryKeyConstraint("server_id", "model_id", "feature", name=op.f("feature_skew_pkey")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    for table in ("feature_skew", "watch_through", "models"):
        op.drop_table(table)
    op.drop_index("slates_served_at_idx", "slates")
    # One row of an answer is enough where a row has no name.
    op.execute("DELETE FROM slates s USING slates o WHERE o.server_id = s.server_id AND o.id = s.id AND o.row_id < s.row_id")
    op.drop_constraint("slates_pkey", "slates")
    op.create_primary_key("slates_pkey", "slates", ["server_id", "id"])
    for column in ("features", "sources", "first_rank", "model_id", "row_id"):
        op.drop_column("slates", column)


def _server() -> sa.Column[int]:
    return sa.Column("server_id", sa.BigInteger(), nullable=False)


def _of_server(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f(f"{table}_server_id_fkey"), ondelete="CASCADE")


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
