"""The schema: servers, users, items, evidence, spaces, tastes, slates, keys."""

import pgvector.sqlalchemy
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    # Partitions are made at run time; in a schema of their own they are none of alembic's business.
    op.execute("CREATE SCHEMA vectors")
    op.create_table(
        "engagement",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("n_plays", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_episodes", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="distinct episodes played"),
        sa.Column("completion", sa.REAL(), nullable=True, comment="0..1, of what was played; NULL: unknown"),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_order", sa.BigInteger(), nullable=True),
        sa.Column("rating", sa.REAL(), nullable=True, comment="0..10"),
        sa.Column("is_favourite", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_liked", sa.Boolean(), nullable=True, comment="true liked, false disliked"),
        sa.Column("is_watchlisted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_seen", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="played, marked watched or rated"),
        sa.PrimaryKeyConstraint("server_id", "user_id", "item_id", name=op.f("engagement_pkey")),
    )
    op.create_index("engagement_item_id_idx", "engagement", ["server_id", "item_id"], unique=False)
    op.create_table(
        "entries",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True, comment="NULL: named by a play, a signal or an episode, not sent yet"),
        sa.Column("item_id", sa.BigInteger(), nullable=True),
        sa.Column("series_id", sa.BigInteger(), nullable=True, comment="the series' entry, of an episode or a season"),
        sa.Column("library_id", sa.BigInteger(), nullable=True),
        sa.Column("season_number", sa.Integer(), nullable=True),
        sa.Column("episode_number", sa.Integer(), nullable=True),
        sa.Column("runtime_seconds", sa.Integer(), nullable=True),
        sa.Column("parental_age", sa.SmallInteger(), nullable=True, comment="years; NULL: not rated, or a rating we don't know"),
        sa.Column("access_tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment="tags in lower case"),
        sa.Column("tmdb", sa.Text(), nullable=True),
        sa.Column("imdb", sa.Text(), nullable=True),
        sa.Column("tvdb", sa.Text(), nullable=True),
        sa.Column("title_key", sa.Text(), nullable=True, comment="name in lower case and year, where there is a year"),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="the item as the caller sent it"),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("entries_pkey")),
        sa.UniqueConstraint("server_id", "external_id", name=op.f("entries_server_id_external_id_key")),
    )
    op.create_index(
        "entries_imdb_idx", "entries", ["server_id", "kind", "imdb"], unique=False, postgresql_where=sa.text("imdb IS NOT NULL")
    )
    op.create_index("entries_item_id_idx", "entries", ["server_id", "item_id"], unique=False)
    op.create_index(
        "entries_series_id_idx", "entries", ["server_id", "series_id"], unique=False, postgresql_where=sa.text("series_id IS NOT NULL")
    )
    op.create_index(
        "entries_title_key_idx",
        "entries",
        ["server_id", "kind", "title_key"],
        unique=False,
        postgresql_where=sa.text("title_key IS NOT NULL"),
    )
    op.create_index(
        "entries_tmdb_idx", "entries", ["server_id", "kind", "tmdb"], unique=False, postgresql_where=sa.text("tmdb IS NOT NULL")
    )
    op.create_index(
        "entries_tvdb_idx", "entries", ["server_id", "kind", "tvdb"], unique=False, postgresql_where=sa.text("tvdb IS NOT NULL")
    )
    op.create_table(
        "item_vectors",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("shelf", sa.BigInteger(), nullable=False),
        sa.Column(
            "history",
            pgvector.sqlalchemy.halfvec.HALFVEC(),
            nullable=True,
            comment="what the item adds to a taste; NULL: the same as target",
        ),
        sa.Column("target", pgvector.sqlalchemy.halfvec.HALFVEC(), nullable=False, comment="where the item is found"),
        sa.Column("norm", sa.REAL(), server_default=sa.text("1"), nullable=False, comment="length before renormalising"),
        sa.Column("text_digest", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("server_id", "space_id", "item_id", "shelf", name=op.f("item_vectors_pkey")),
        postgresql_partition_by="LIST (shelf)",
    )
    op.create_table(
        "items",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False, comment="kind:provider:id, or kind:title:..., or kind:entry:..."),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=True),
        sa.Column("genres", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("genre_keys", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment="genres in lower case"),
        sa.Column("runtime_seconds", sa.Integer(), nullable=True),
        sa.Column("community_rating", sa.REAL(), nullable=True, comment="0..10"),
        sa.Column("vote_count", sa.Integer(), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=True, comment="when its first entry was added to the media server"),
        sa.Column("is_available", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=True, comment="the entry whose body describes the item"),
        sa.Column("text_digest", sa.LargeBinary(), nullable=True, comment="of what the text template reads"),
        sa.Column("n_users", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="who watched it; statistics job"),
        sa.Column("prior", sa.REAL(), server_default=sa.text("0"), nullable=False, comment="quality, 0..1; statistics job"),
        sa.Column("popularity", sa.REAL(), server_default=sa.text("0"), nullable=False, comment="statistics job"),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("items_pkey")),
        sa.UniqueConstraint("server_id", "identity", name=op.f("items_server_id_identity_key")),
    )
    op.create_index(
        "items_popularity_idx",
        "items",
        ["server_id", sa.literal_column("popularity DESC"), sa.literal_column("added_at DESC NULLS LAST"), "id"],
        unique=False,
    )
    op.create_table(
        "plays",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="the door it came through: api, demo, ..."),
        sa.Column("source_key", sa.Uuid(), nullable=False, comment="digest of the id that the source gave it"),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("play_order", sa.BigInteger(), nullable=True, comment="order within the user's history, where there is no time"),
        sa.Column("played_seconds", sa.Integer(), nullable=True),
        sa.Column("percent", sa.REAL(), nullable=True),
        sa.Column("is_completed", sa.Boolean(), nullable=True),
        sa.Column("recommendation_id", sa.Uuid(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "source", "source_key", name=op.f("plays_pkey")),
    )
    op.create_index("plays_entry_id_idx", "plays", ["server_id", "entry_id"], unique=False)
    op.create_index("plays_user_id_entry_id_idx", "plays", ["server_id", "user_id", "entry_id"], unique=False)
    op.create_table(
        "servers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment="ServerSettings"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("servers_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("servers_external_id_key")),
    )
    op.create_table(
        "signals",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_key", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.REAL(), nullable=True, comment="a rating, 0..10; else 1 said, 0 taken back; NULL: a rating taken back"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signal_order", sa.BigInteger(), nullable=True),
        sa.Column("recommendation_id", sa.Uuid(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "source", "source_key", name=op.f("signals_pkey")),
    )
    op.create_index("signals_entry_id_idx", "signals", ["server_id", "entry_id"], unique=False)
    op.create_index("signals_user_id_entry_id_idx", "signals", ["server_id", "user_id", "entry_id"], unique=False)
    op.create_table(
        "slates",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("space_ids", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("item_ids", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("scores", sa.ARRAY(sa.REAL()), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("slates_pkey")),
    )
    op.create_index("slates_user_id_served_at_idx", "slates", ["server_id", "user_id", "served_at"], unique=False)
    op.create_table(
        "tastes",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("space_id", sa.BigInteger(), nullable=False),
        sa.Column("facet", sa.SmallInteger(), nullable=False, comment="0: the whole taste"),
        sa.Column("taste", pgvector.sqlalchemy.halfvec.HALFVEC(), nullable=True, comment="unit length; NULL: nothing positive is known"),
        sa.Column("item_ids", sa.ARRAY(sa.BigInteger()), nullable=False, comment="the heaviest items of its history"),
        sa.Column("item_weights", sa.ARRAY(sa.REAL()), nullable=False),
        sa.Column("n_items", sa.Integer(), nullable=False, comment="items of engagement when it was computed"),
        sa.Column("engagement_version", sa.BigInteger(), nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True, comment="when a weight will change by itself"),
        sa.PrimaryKeyConstraint("server_id", "user_id", "space_id", "facet", name=op.f("tastes_pkey")),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="sha256 of the key, which itself is not stored"),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("server_id", sa.BigInteger(), nullable=True, comment="NULL: any server"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("keys_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("keys_pkey")),
        sa.UniqueConstraint("digest", name=op.f("keys_digest_key")),
    )
    op.create_table(
        "libraries",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("libraries_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("libraries_pkey")),
        sa.UniqueConstraint("server_id", "external_id", name=op.f("libraries_server_id_external_id_key")),
    )
    op.create_table(
        "spaces",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_digest", sa.Text(), nullable=False, comment="sha256 of the model's weights"),
        sa.Column("template_version", sa.Integer(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column(
            "shelf",
            sa.BigInteger(),
            nullable=False,
            comment="partition: the space's id where it has one of its own, else minus the dimension",
        ),
        sa.Column("centre", sa.ARRAY(sa.REAL()), nullable=True, comment="subtracted from every vector; NULL: vectors are still raw"),
        sa.Column("centre_source", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("live_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("spaces_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("spaces_pkey")),
    )
    op.create_index("spaces_building_idx", "spaces", ["server_id", "kind"], unique=True, postgresql_where=sa.text("status = 'building'"))
    op.create_index("spaces_live_idx", "spaces", ["server_id", "kind"], unique=True, postgresql_where=sa.text("status = 'live'"))
    op.create_table(
        "user_libraries",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("library_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("user_libraries_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", "user_id", "library_id", name=op.f("user_libraries_pkey")),
    )
    op.create_table(
        "users",
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True, comment="NULL: named by a play or a signal, not sent yet"),
        sa.Column("is_disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("has_all_libraries", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("max_parental_age", sa.SmallInteger(), nullable=True, comment="years; NULL: no limit"),
        sa.Column("blocked_tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("allowed_tags", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_opted_out", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "erased_at", sa.DateTime(timezone=True), nullable=True, comment="a tombstone: the next sync does not bring this user back"
        ),
        sa.Column(
            "engagement_version",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="rises with each change of this user's engagement",
        ),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("users_server_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", "id", name=op.f("users_pkey")),
        sa.UniqueConstraint("server_id", "external_id", name=op.f("users_server_id_external_id_key")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("DROP SCHEMA vectors CASCADE")
    op.drop_table("users")
    op.drop_table("user_libraries")
    op.drop_index("spaces_live_idx", table_name="spaces", postgresql_where=sa.text("status = 'live'"))
    op.drop_index("spaces_building_idx", table_name="spaces", postgresql_where=sa.text("status = 'building'"))
    op.drop_table("spaces")
    op.drop_table("libraries")
    op.drop_table("keys")
    op.drop_table("tastes")
    op.drop_index("slates_user_id_served_at_idx", table_name="slates")
    op.drop_table("slates")
    op.drop_index("signals_user_id_entry_id_idx", table_name="signals")
    op.drop_index("signals_entry_id_idx", table_name="signals")
    op.drop_table("signals")
    op.drop_table("servers")
    op.drop_index("plays_user_id_entry_id_idx", table_name="plays")
    op.drop_index("plays_entry_id_idx", table_name="plays")
    op.drop_table("plays")
    op.drop_index("items_popularity_idx", table_name="items")
    op.drop_table("items")
    op.drop_table("item_vectors")
    op.drop_index("entries_tvdb_idx", table_name="entries", postgresql_where=sa.text("tvdb IS NOT NULL"))
    op.drop_index("entries_tmdb_idx", table_name="entries", postgresql_where=sa.text("tmdb IS NOT NULL"))
    op.drop_index("entries_title_key_idx", table_name="entries", postgresql_where=sa.text("title_key IS NOT NULL"))
    op.drop_index("entries_series_id_idx", table_name="entries", postgresql_where=sa.text("series_id IS NOT NULL"))
    op.drop_index("entries_item_id_idx", table_name="entries")
    op.drop_index("entries_imdb_idx", table_name="entries", postgresql_where=sa.text("imdb IS NOT NULL"))
    op.drop_table("entries")
    op.drop_index("engagement_item_id_idx", table_name="engagement")
    op.drop_table("engagement")
