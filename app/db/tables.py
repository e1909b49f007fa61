"""The schema, as SQLAlchemy tables. Migrations make it; a test holds the two equal.

Every primary key begins with the server (keys aside, which may belong to none). `external_id` is the media
server's own id, the one the API speaks; `id` is ours. There are no foreign keys on the tables that grow with
use: a check per row doubles the cost of an import, and ingest keeps the references itself (DECISIONS, 4).
"""

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

# Partitions and their indexes are made at run time, in a schema of their own that migrations don't look into.
PARTITION_SCHEMA = "vectors"


def _server() -> Column[int]:
    return Column("server_id", BigInteger, ForeignKey("servers.id", ondelete="CASCADE"), nullable=False)


def _bulk_server() -> Column[int]:
    return Column("server_id", BigInteger, nullable=False)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(), nullable=False)


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def _texts(name: str) -> Column[list[str]]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _brought_by() -> Column[list[int]]:
    return Column("import_ids", ARRAY(BigInteger), comment="the imports that brought it; NULL: it came otherwise")


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


servers = Table(
    "servers",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('jellyfin', 'emby', 'plex', 'api')", name="kind"), nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'"), comment="ServerSettings"),
    _now("created_at"),
    Column(
        "catalogue_version",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="rises with each change of what every answer may show: items, statistics, live vectors, who may be counted",
    ),
)

libraries = Table(
    "libraries",
    metadata,
    _server(),
    _id(),
    Column("external_id", Text, nullable=False),
    PrimaryKeyConstraint("server_id", "id"),
    UniqueConstraint("server_id", "external_id"),
)

users = Table(
    "users",
    metadata,
    _server(),
    _id(),
    Column("external_id", Text, nullable=False),
    Column("name", Text, comment="NULL: named by a play or a signal, not sent yet"),
    _flag("is_disabled"),
    Column("has_all_libraries", Boolean, nullable=False, server_default=text("true")),
    Column("max_parental_age", SmallInteger, comment="years; NULL: no limit"),
    _texts("blocked_tags"),
    _texts("allowed_tags"),
    _flag("is_opted_out"),
    Column("erased_at", DateTime(timezone=True), comment="a tombstone: the next sync does not bring this user back"),
    Column(
        "engagement_version",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="rises with each change of this user's engagement",
    ),
    Column("grant_id", BigInteger, comment="the titles that the media server shows this user; NULL: all that the rest allows"),
    Column("policy_digest", Text, comment="of the policy under which the media server was asked for them"),
    PrimaryKeyConstraint("server_id", "id"),
    UniqueConstraint("server_id", "external_id"),
)

# What users may see where the media server was asked: once for each distinct set of titles.
grants = Table(
    "grants",
    metadata,
    _server(),
    _id(),
    Column("digest", LargeBinary, nullable=False, comment="sha256 of its entries' ids"),
    PrimaryKeyConstraint("server_id", "id"),
    UniqueConstraint("server_id", "digest"),
)

granted_entries = Table(
    "granted_entries",
    metadata,
    _bulk_server(),
    Column("grant_id", BigInteger, nullable=False),
    Column("entry_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("server_id", "grant_id", "entry_id"),
)

connections = Table(
    "connections",
    metadata,
    _server(),
    Column(
        "kind",
        Text,
        CheckConstraint("kind IN ('jellyfin', 'emby', 'plex')", name="kind"),
        nullable=False,
        server_default="jellyfin",
        comment="whose API it speaks",
    ),
    Column("url", Text, nullable=False),
    Column("token", LargeBinary, nullable=False, comment="encrypted with PALATE_SECRET_KEY; no endpoint answers it"),
    Column("media_server_id", Text, nullable=False, comment="its own: another server at the same address is found out by it"),
    Column(
        "synced_until", DateTime(timezone=True), comment="by the media server's clock: what was saved before is here; NULL: nothing yet"
    ),
    Column("swept_at", DateTime(timezone=True), comment="when its ids were last compared with ours, by our clock"),
    Column("held", JSONB, nullable=False, server_default=text("'{}'"), comment="libraries that are gone, or mostly, and were kept: why"),
    Column("history_row", BigInteger, comment="the last row that was read of the Playback Reporting plugin's history"),
    _now("created_at"),
    PrimaryKeyConstraint("server_id"),
)

webhooks = Table(
    "webhooks",
    metadata,
    _server(),
    _id(),
    Column("digest", LargeBinary, nullable=False, comment="sha256 of the secret"),
    _now("created_at"),
    Column("revoked_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("server_id", "id"),
    UniqueConstraint("digest"),
)

sittings = Table(
    "sittings",
    metadata,
    _bulk_server(),
    Column("key", Uuid, nullable=False, comment="of device, user and entry: what is told of them is of one sitting at a time"),
    Column("user_id", BigInteger, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("position_seconds", Integer, comment="where in the title; NULL: nobody told"),
    Column("watched_seconds", Integer, nullable=False),
    Column("told_at", DateTime(timezone=True), nullable=False, comment="when it was last heard of"),
    Column("ended_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("server_id", "key"),
)

doubted_entries = Table(
    "doubted_entries",
    metadata,
    _bulk_server(),
    Column("external_id", Text, nullable=False, comment="said to be gone; the next sync asks"),
    _now("told_at"),
    PrimaryKeyConstraint("server_id", "external_id"),
)

playlists = Table(
    "playlists",
    metadata,
    _server(),
    Column("user_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("playlist_id", Text, comment="the media server's own; NULL: about to be made"),
    Column("not_ours", ARRAY(Text), nullable=False, comment="ids of playlists of this name that were there before"),
    Column("item_ids", ARRAY(Text), nullable=False, comment="what we put into it, or were about to"),
    Column("is_complete", Boolean, nullable=False, server_default=text("false"), comment="all of it was put there"),
    _now("made_at"),
    Column("let_go_at", DateTime(timezone=True), comment="when its user was found to have deleted or renamed it"),
    PrimaryKeyConstraint("server_id", "user_id"),
)

user_libraries = Table(
    "user_libraries",
    metadata,
    _server(),
    Column("user_id", BigInteger, nullable=False),
    Column("library_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("server_id", "user_id", "library_id"),
)

# Narrow on purpose: the exact search reads every row. What only a page shows stays in entries.body.
items = Table(
    "items",
    metadata,
    _bulk_server(),
    _id(),
    Column("identity", Text, nullable=False, comment="kind:provider:id, or kind:title:..., or kind:entry:..."),
    Column("kind", Text, CheckConstraint("kind IN ('movie', 'series')", name="kind"), nullable=False),
    Column("name", Text, nullable=False),
    Column("year", SmallInteger),
    _texts("genres"),
    Column("genre_keys", ARRAY(Text), nullable=False, server_default=text("'{}'"), comment="genres in lower case"),
    Column("runtime_seconds", Integer),
    Column("community_rating", REAL, comment="0..10"),
    Column("vote_count", Integer),
    Column("added_at", DateTime(timezone=True), comment="when its first entry was added to the media server"),
    _flag("is_available"),
    Column("entry_id", BigInteger, comment="the entry whose body describes the item"),
    Column("text_digest", LargeBinary, comment="of what the text template reads"),
    Column("n_users", Integer, nullable=False, server_default=text("0"), comment="who watched it; statistics job"),
    Column("prior", REAL, nullable=False, server_default=text("0"), comment="quality, 0..1; statistics job"),
    Column("popularity", REAL, nullable=False, server_default=text("0"), comment="statistics job"),
    Column("n_episodes", Integer, nullable=False, server_default=text("0"), comment="specials aside"),
    Column("search_key", Text, nullable=False, server_default=text("''"), comment="name and original name, folded; search"),
    PrimaryKeyConstraint("server_id", "id"),
    UniqueConstraint("server_id", "identity"),
)
Index("items_popularity_idx", items.c.server_id, items.c.popularity.desc(), items.c.added_at.desc().nulls_last(), items.c.id)
Index("items_added_at_idx", items.c.server_id, items.c.added_at.desc().nulls_last(), items.c.id)

entries = Table(
    "entries",
    metadata,
    _bulk_server(),
    _id(),
    Column("external_id", Text, nullable=False),
    Column(
        "kind",
        Text,
        CheckConstraint("kind IN ('movie', 'series', 'season', 'episode')", name="kind"),
        comment="NULL: named by a play, a signal or an episode, not sent yet",
    ),
    Column("item_id", BigInteger),
    Column("series_id", BigInteger, comment="the series' entry, of an episode or a season"),
    Column("library_id", BigInteger),
    Column("season_number", Integer),
    Column("episode_number", Integer),
    Column("runtime_seconds", Integer),
    Column("parental_age", SmallInteger, comment="years; NULL: not rated, or a rating we don't know"),
    Column("access_tags", ARRAY(Text), nullable=False, server_default=text("'{}'"), comment="tags in lower case"),
    Column("tmdb", Text),
    Column("imdb", Text),
    Column("tvdb", Text),
    Column("title_key", Text, comment="name in lower case and year, where there is a year"),
    Column("added_at", DateTime(timezone=True)),
    Column("deleted_at", DateTime(timezone=True)),
    Column("body", JSONB, comment="the item as the caller sent it"),
    PrimaryKeyConstraint("server_id", "id"),
    UniqueConstraint("server_id", "external_id"),
)
Index("entries_item_id_idx", entries.c.server_id, entries.c.item_id)
Index("entries_series_id_idx", entries.c.server_id, entries.c.series_id, postgresql_where=entries.c.series_id.is_not(None))
for _column in (entries.c.tmdb, entries.c.imdb, entries.c.tvdb, entries.c.title_key):
    Index(f"entries_{_column.name}_idx", entries.c.server_id, entries.c.kind, _column, postgresql_where=_column.is_not(None))

plays = Table(
    "plays",
    metadata,
    _bulk_server(),
    Column("source", Text, nullable=False, comment="the door it came through: api, demo, ..."),
    Column("source_key", Uuid, nullable=False, comment="digest of the id that the source gave it"),
    Column("user_id", BigInteger, nullable=False),
    Column("entry_id", BigInteger, nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("play_order", BigInteger, comment="order within the user's history, where there is no time"),
    Column("played_seconds", Integer),
    Column("percent", REAL),
    Column("is_completed", Boolean),
    Column("recommendation_id", Uuid),
    _now("received_at"),
    _brought_by(),
    PrimaryKeyConstraint("server_id", "source", "source_key"),
)
Index("plays_user_id_entry_id_idx", plays.c.server_id, plays.c.user_id, plays.c.entry_id)
Index("plays_entry_id_idx", plays.c.server_id, plays.c.entry_id)

signals = Table(
    "signals",
    metadata,
    _bulk_server(),
    Column("source", Text, nullable=False),
    Column("source_key", Uuid, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("entry_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", REAL, comment="a rating, 0..10; else 1 said, 0 taken back; NULL: a rating taken back"),
    Column("at", DateTime(timezone=True)),
    Column("signal_order", BigInteger),
    Column("recommendation_id", Uuid),
    _now("received_at"),
    _brought_by(),
    PrimaryKeyConstraint("server_id", "source", "source_key"),
)
Index("signals_user_id_entry_id_idx", signals.c.server_id, signals.c.user_id, signals.c.entry_id)
Index("signals_entry_id_idx", signals.c.server_id, signals.c.entry_id)

imports = Table(
    "imports",
    metadata,
    _server(),
    _id(),
    Column("kind", Text, nullable=False),
    Column("file_name", Text, nullable=False, comment="without its folder, or the address that was read"),
    Column("digest", LargeBinary, nullable=False, comment="sha256 of the file and of who was taken for whom"),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'"), comment="what became of its lines when it was last read"),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), comment="NULL: broken off"),
    Column("undone_at", DateTime(timezone=True), comment="when it was taken back"),
    PrimaryKeyConstraint("server_id", "id"),
)
Index(
    "imports_standing_idx", imports.c.server_id, imports.c.kind, imports.c.digest, unique=True,
    postgresql_where=imports.c.undone_at.is_(None),
)  # fmt: skip

engagement = Table(
    "engagement",
    metadata,
    _bulk_server(),
    Column("user_id", BigInteger, nullable=False),
    Column("item_id", BigInteger, nullable=False),
    _count("n_plays"),
    Column("n_episodes", Integer, nullable=False, server_default=text("0"), comment="distinct episodes played"),
    Column("completion", REAL, comment="0..1, of what was played; NULL: unknown"),
    Column("last_at", DateTime(timezone=True)),
    Column("last_order", BigInteger),
    Column("rating", REAL, comment="0..10"),
    _flag("is_favourite"),
    Column("is_liked", Boolean, comment="true liked, false disliked"),
    _flag("is_watchlisted"),
    _flag("is_hidden"),
    Column("is_seen", Boolean, nullable=False, server_default=text("false"), comment="played, marked watched or rated"),
    Column("n_finished", Integer, nullable=False, server_default=text("0"), comment="distinct episodes watched to the end, specials aside"),
    Column("is_finished", Boolean, nullable=False, server_default=text("false"), comment="the title as a whole"),
    Column("played_ratio", REAL, comment="played time over running time, not capped; NULL: unknown"),
    Column("said_at", DateTime(timezone=True), comment="newest standing signal but a rating"),
    Column("first_at", DateTime(timezone=True), comment="when it was begun"),
    Column("first_order", BigInteger),
    PrimaryKeyConstraint("server_id", "user_id", "item_id"),
)
Index("engagement_item_id_idx", engagement.c.server_id, engagement.c.item_id)

spaces = Table(
    "spaces",
    metadata,
    _server(),
    _id(),
    Column("kind", Text, CheckConstraint("kind IN ('text', 'collab', 'two_tower')", name="kind"), nullable=False),
    Column(
        "status", Text, CheckConstraint("status IN ('building', 'candidate', 'live', 'kept', 'retired')", name="status"), nullable=False
    ),
    Column("model_name", Text, nullable=False),
    Column("model_digest", Text, nullable=False, comment="sha256 of the model's weights"),
    Column("template_version", Integer, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("shelf", BigInteger, nullable=False, comment="partition: the space's id where it has one of its own, else minus the dimension"),
    Column("centre", ARRAY(REAL), comment="subtracted from every vector; NULL: vectors are still raw"),
    Column("centre_source", Text, CheckConstraint("centre_source IN ('items', 'model')", name="centre_source")),
    _now("created_at"),
    Column("live_at", DateTime(timezone=True)),
    Column("card", JSONB, nullable=False, server_default=text("'{}'"), comment="what it was learned from, and how well"),
    Column("kept_at", DateTime(timezone=True), comment="when it stopped being live"),
    Column("pinned_over", Text, comment="the setting's model that it stays live against; NULL: none"),
    Column("n_vectors", Integer, comment="that it held when it was last filled; NULL: not counted yet"),
    Column(
        "fault",
        Text,
        CheckConstraint("fault IN ('text_space_incomplete', 'text_space_empty', 'previous_text_space')", name="fault"),
        comment="why answers from it are degraded; NULL: they are not",
    ),
    PrimaryKeyConstraint("server_id", "id"),
)
Index("spaces_live_idx", spaces.c.server_id, spaces.c.kind, unique=True, postgresql_where=text("status = 'live'"))
Index("spaces_building_idx", spaces.c.server_id, spaces.c.kind, unique=True, postgresql_where=text("status = 'building'"))

# Nothing else in a row: updating any column of it inserts its vector into the HNSW index anew.
item_vectors = Table(
    "item_vectors",
    metadata,
    _bulk_server(),
    Column("space_id", BigInteger, nullable=False),
    Column("item_id", BigInteger, nullable=False),
    Column("shelf", BigInteger, nullable=False),
    Column("history", HALFVEC, comment="what the item adds to a taste; NULL: the same as target"),
    Column("target", HALFVEC, nullable=False, comment="where the item is found"),
    Column("norm", REAL, nullable=False, server_default=text("1"), comment="length before renormalising"),
    Column("text_digest", LargeBinary),
    Column("is_predicted", Boolean, nullable=False, server_default=text("false"), comment="from its text: nobody watched it"),
    PrimaryKeyConstraint("server_id", "space_id", "item_id", "shelf"),
    postgresql_partition_by="LIST (shelf)",
)

tastes = Table(
    "tastes",
    metadata,
    _bulk_server(),
    Column("user_id", BigInteger, nullable=False),
    Column("space_id", BigInteger, nullable=False),
    Column("facet", SmallInteger, nullable=False, comment="0: the whole taste"),
    Column("taste", HALFVEC, comment="unit length; NULL: nothing positive is known"),
    Column("item_ids", ARRAY(BigInteger), nullable=False, comment="the heaviest items of its history"),
    Column("item_weights", ARRAY(REAL), nullable=False),
    Column("n_items", Integer, nullable=False, comment="items of engagement when it was computed"),
    Column("engagement_version", BigInteger, nullable=False),
    Column("computed_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), comment="when a weight will change by itself"),
    Column("recipe", Text, nullable=False, server_default=text("''"), comment="the weights that it was computed with"),
    Column("label", Text, comment="what a facet's items share; NULL: nothing, or facet 0"),
    Column("share", REAL, nullable=False, server_default=text("1"), comment="of the positive weight, 0..1"),
    Column("recent_ids", ARRAY(BigInteger), nullable=False, server_default=text("'{}'"), comment="the latest titles watched, newest first"),
    PrimaryKeyConstraint("server_id", "user_id", "space_id", "facet"),
)

slates = Table(
    "slates",
    metadata,
    _bulk_server(),
    Column("id", Uuid, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("served_at", DateTime(timezone=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("space_ids", ARRAY(BigInteger), nullable=False),
    Column("item_ids", ARRAY(BigInteger), nullable=False),
    Column("scores", ARRAY(REAL), nullable=False),
    Column("row_id", Text, nullable=False, server_default=text("'recommendations'"), comment="or a row of the home page"),
    Column("model_id", BigInteger, comment="the ranker that put it in order; NULL: none"),
    Column("first_rank", Integer, nullable=False, server_default=text("1"), comment="of the first item: a deeper page starts later"),
    Column("sources", ARRAY(Text), comment="of each item, joined by +; NULL: logged before they were"),
    Column("features", ARRAY(REAL), comment="as the ranker saw them, item by item; NULL: not sampled"),
    PrimaryKeyConstraint("server_id", "id", "row_id"),
)
Index("slates_user_id_served_at_idx", slates.c.server_id, slates.c.user_id, slates.c.served_at)
Index("slates_served_at_idx", slates.c.server_id, slates.c.served_at)

models = Table(
    "models",
    metadata,
    _server(),
    _id(),
    Column("kind", Text, CheckConstraint("kind IN ('ranker')", name="kind"), nullable=False),
    Column("name", Text, nullable=False, comment="lambdamart, dlrm"),
    Column("status", Text, CheckConstraint("status IN ('candidate', 'live', 'kept', 'retired')", name="status"), nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("metrics", JSONB, nullable=False, comment="with intervals, and against the one that was live"),
    Column("data_window", JSONB, nullable=False, comment="what it was trained on"),
    Column("card", JSONB, nullable=False, server_default=text("'{}'"), comment="features, their importance and distributions"),
    Column("code_revision", Text, nullable=False),
    Column("digest", Text, nullable=False, comment="sha256 of the bytes"),
    Column("bytes", LargeBinary, CheckConstraint("octet_length(bytes) <= 52428800", name="bytes"), nullable=False),
    _now("created_at"),
    Column("live_at", DateTime(timezone=True)),
    Column("promoted_because", Text, comment="why, where the figures spoke against it"),
    PrimaryKeyConstraint("server_id", "id"),
)
Index("models_live_idx", models.c.server_id, models.c.kind, unique=True, postgresql_where=text("status = 'live'"))

watch_through = Table(
    "watch_through",
    metadata,
    _server(),
    Column("day", Date, nullable=False, comment="of the answers, UTC"),
    Column("row_id", Text, nullable=False),
    Column("model_id", BigInteger, nullable=False, comment="0: none"),
    Column("source", Text, nullable=False),
    Column("rank", SmallInteger, nullable=False),
    Column("n_shown", Integer, nullable=False),
    Column("n_watched", Integer, nullable=False, comment="begun by the same user within the days that follow"),
    PrimaryKeyConstraint("server_id", "day", "row_id", "model_id", "source", "rank"),
)

feature_skew = Table(
    "feature_skew",
    metadata,
    _server(),
    Column("model_id", BigInteger, nullable=False),
    Column("feature", Text, nullable=False),
    Column("n_served", Integer, nullable=False),
    Column("psi", REAL, comment="population stability index; NULL: too few rows"),
    Column("kl", REAL, comment="Kullback-Leibler divergence of served from trained, nats"),
    _flag("is_flagged"),
    _now("computed_at"),
    PrimaryKeyConstraint("server_id", "model_id", "feature"),
)

# The key has no server: a job may be for every one.
jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("server_id", BigInteger, ForeignKey("servers.id", ondelete="CASCADE"), comment="NULL: every server"),
    Column("name", Text, nullable=False),
    Column("user_id", BigInteger, comment="NULL: everybody"),
    Column(
        "status",
        Text,
        CheckConstraint("status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="status"),
        nullable=False,
        server_default=text("'queued'"),
    ),
    Column("tick", DateTime(timezone=True), comment="the moment of its schedule that it was started for; NULL: asked for"),
    Column("attempt", Integer, nullable=False, server_default=text("0"), comment="rises with each start; only the last may write"),
    _flag("is_cancelling"),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("total", BigInteger, nullable=False, server_default=text("0")),
    Column("counters", JSONB, nullable=False, server_default=text("'{}'"), comment="what it did"),
    Column("error", Text),
    Column("queue_id", BigInteger, comment="of the queue's own row"),
    _now("queued_at"),
    Column("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("n_failures", Integer, nullable=False, server_default=text("0"), comment="starts that ended in an error"),
    Column("n_lost", Integer, nullable=False, server_default=text("0"), comment="starts whose worker died"),
)
Index("jobs_tick_idx", jobs.c.server_id, jobs.c.name, jobs.c.tick, unique=True, postgresql_where=jobs.c.tick.is_not(None))
Index("jobs_server_id_name_idx", jobs.c.server_id, jobs.c.name, jobs.c.id)
Index("jobs_open_idx", jobs.c.name, jobs.c.server_id, postgresql_where=text("status IN ('queued', 'running')"))

looks = Table(
    "looks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("looked_at", DateTime(timezone=True), nullable=False, comment="by any worker, by the database's clock"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="sha256 of the key, which itself is not stored"),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("server_id", BigInteger, ForeignKey("servers.id", ondelete="CASCADE"), comment="NULL: any server"),
    _now("created_at"),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True), comment="to the minute"),
)
