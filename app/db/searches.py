"""Where candidates come from: each search is SQL that finds item ids in an order, with everything excluded before its LIMIT.

near         follows the HNSW index of a space with a partition of its own, once for each facet; anti-joins are nested
             loops, as only they keep its order
exact        reads every eligible item of the server, those without a vector last
popular      needs no taste
newest       by the media server's own date
in_progress  what the viewer began and did not finish, newest first
again        what they finished and liked, long ago
title        by words of the name
"""

from dataclasses import dataclass
from typing import Literal

from app.db.access import IN_LIBRARY, open_entry
from app.types import SpaceKind

Search = Literal["near", "exact", "popular", "newest", "in_progress", "again", "title", "near and title", "exact and title"]

# Candidates come in blocks of this many from each branch, ranked within their block: page two never repeats page one.
# A multiple of what is on a screen at once, over which caps are counted.
BLOCK = 60
# Where a ranker puts them in order it sees so many at once: all that the spaces learned from behaviour bring, and of every other branch
# these few. More of those only push out what is watched next (EXPERIMENTS, the second stage under load).
N_RANKED, N_RANKED_BESIDE = 200, 40
# The kinds of spaces learned from behaviour.
LEARNED: tuple[SpaceKind, ...] = ("collab", "two_tower")
# Of a text taste, how many of the heaviest facets an item is compared with, and near how many of them is searched: one less for each space
# learned from behaviour, so that there are four branches in all (EXPERIMENTS, search).
MAX_FACETS = 3
FACETS_SEARCHED = 3
# A branch of a space is its number in the shape times this, and the facet.
BRANCHES = 10
POPULAR, TITLE = -1, -2

# Rendered only where asked for: with `:kind IS NULL OR ...` for each, the generic plan expects 3 rows of 3,882
# and takes nested loops, 14 ms instead of 5 (EXPERIMENTS, search).
FILTERS = {
    "kind": "i.kind = :kind",
    "genres": "i.genre_keys && CAST(:genres AS text[])",
    "exclude_genres": "NOT i.genre_keys && CAST(:exclude_genres AS text[])",
    "year_from": "i.year >= :year_from",
    "year_to": "i.year <= :year_to",
    "max_runtime_seconds": "i.runtime_seconds <= :max_runtime_seconds",
    "exclude_ids": """i.id <> ALL (ARRAY(
          SELECT x.item_id FROM entries x
          WHERE x.server_id = :server_id AND x.external_id = ANY (CAST(:exclude_ids AS text[])) AND x.item_id IS NOT NULL))""",
    "exclude_item_ids": "i.id <> ALL (CAST(:exclude_item_ids AS bigint[]))",
    "min_rating": "i.community_rating >= :min_rating",
    "max_votes": "i.vote_count <= :max_votes",
}
BY_POPULARITY = "i.popularity DESC, i.added_at DESC NULLS LAST, i.id"
# A film says by itself whether it is finished, a series by its episodes.
FINISHED = "(g.is_finished OR i.kind = 'series' AND g.n_finished > 0 AND g.n_finished >= i.n_episodes)"


@dataclass(frozen=True)
class InSpace:
    """A space to search; `n_facets`: branches beside the whole taste."""

    kind: SpaceKind
    shelf: int
    dimension: int
    n_facets: int = 0


@dataclass(frozen=True)
class Shape:
    """What makes one statement differ from another; values are bound, of the n-th space as `space_id_n`.

    `reasons_in`: the number of the space that reasons are made in; `block`: how many candidates are put in order at once, and
    `n_blocks` of them are found.
    """

    search: Search
    spaces: tuple[InSpace, ...]
    is_restricted: bool
    n_blocks: int = 1
    filters: frozenset[str] = frozenset()
    is_given: bool = False
    is_one_facet: bool = False
    is_blended: bool = False
    in_progress_is_open: bool = False
    watched_returns: bool = False
    has_vectors: bool = False
    reasons_in: int = 0
    block: int = BLOCK

    @property
    def is_personal(self) -> bool:
        return self.search.startswith(("near", "exact"))

    def n_in_block(self, kind: SpaceKind | None = None) -> int:
        """What a branch brings to each block: of a space of this kind, or of another source."""
        return self.block if self.block == BLOCK or kind in LEARNED else N_RANKED_BESIDE

    def n_candidates(self, kind: SpaceKind | None = None) -> int:
        return self.n_blocks * self.n_in_block(kind)

    def number(self, kind: SpaceKind) -> int | None:
        return next((number for number, space in enumerate(self.spaces) if space.kind == kind), None)


def in_space(shape: Shape, number: int, alias: str) -> str:
    """That a row of `item_vectors` is of this space; its partition by name."""
    return f"{alias}.shelf = {shape.spaces[number].shelf} AND {alias}.server_id = :server_id AND {alias}.space_id = :space_id_{number}"


def taste_in(shape: Shape, number: int, facet: int = 0) -> str:
    """A vector of `wanted`, as a scalar."""
    return f"(SELECT taste::halfvec({shape.spaces[number].dimension}) FROM wanted WHERE space = {number} AND facet = {facet})"


def found(shape: Shape) -> str:
    """CTEs that end in `found (item_id, branch, place, block)`: the n-th of a branch; branches 0.. are the taste and its facets."""
    match shape.search.partition(" ")[0]:
        case "near":
            parts, branches = [], [_near(shape, number) for number in range(len(shape.spaces))]
        case "exact":
            parts, branches = [_eligible(shape), _unplaced(shape)], _exact_branches(shape)
        case "popular":
            parts, branches = [], [_listed(shape, POPULAR, BY_POPULARITY)]
        case "newest":
            parts, branches = [], [_listed(shape, POPULAR, "i.added_at DESC NULLS LAST, i.id")]
        case "title":
            parts, branches = [], [_titled(shape)]
        case _:
            parts, branches = [], [_engaged(shape)]
    if shape.search.endswith("and title"):
        branches.append(_titled(shape))
    if shape.is_blended:
        branches.append(_listed(shape, POPULAR, BY_POPULARITY))
    union = "\n    UNION ALL\n".join(f"    SELECT * FROM ({branch}) AS b{number}" for number, branch in enumerate(branches))
    return ",".join([*parts, f"\nfound AS MATERIALIZED (\n{union}\n)"])


def _near(shape: Shape, number: int) -> str:
    # A place is the order in which the index gives: a deeper page only goes on from there.
    space = shape.spaces[number]
    return f"""
        SELECT n.item_id, {number * BRANCHES} + w.facet AS branch, n.place, {_block(shape, space.kind)} AS block
        FROM wanted w
        CROSS JOIN LATERAL (
            SELECT o.item_id, row_number() OVER () AS place
            FROM (
                SELECT i.id AS item_id
                FROM item_vectors v, items i
                WHERE {in_space(shape, number, "v")} AND v.item_id = i.id
                  {_eligible_where(shape, is_index_scan=True)}
                ORDER BY v.target::halfvec({space.dimension}) <#> w.taste::halfvec({space.dimension})
                LIMIT {shape.n_candidates(space.kind)}
            ) AS o
        ) AS n
        WHERE w.space = {number} AND w.facet <= {space.n_facets}"""


def _block(shape: Shape, kind: SpaceKind | None = None) -> str:
    """Of the n-th that a branch brings."""
    # Places of two lists are fused whole: only what is paged comes in blocks.
    return "0" if "title" in shape.search or shape.n_blocks == 1 else f"(n.place - 1) / {shape.n_in_block(kind)}"


def _eligible(shape: Shape) -> str:
    sources = " FULL JOIN ".join(
        f"({_distances(shape, number)}) AS v{number}" + (" USING (item_id)" if number else "") for number in range(len(shape.spaces))
    )
    names = ", ".join(f"distance_{number}_{facet}" for number, facet in _branches(shape))
    return f"""
eligible AS MATERIALIZED (
    SELECT i.id AS item_id, {names}
    FROM {sources}, items i
    WHERE item_id = i.id {_eligible_where(shape)}
)"""


def _distances(shape: Shape, number: int) -> str:
    # OFFSET 0 keeps the index out, and the vectors out of the join: hashing them took 130 ms of 100,000 rows, this 60.
    target = f"v.target::halfvec({shape.spaces[number].dimension})"
    columns = ", ".join(
        f"{target} <#> {taste_in(shape, number, facet)} AS distance_{number}_{facet}" for n, facet in _branches(shape) if n == number
    )
    return f"""
        SELECT v.item_id, {columns}
        FROM item_vectors v
        WHERE {in_space(shape, number, "v")}
        OFFSET 0
    """


def _branches(shape: Shape) -> list[tuple[int, int]]:
    return [(number, facet) for number, space in enumerate(shape.spaces) for facet in range(space.n_facets + 1)]


def _exact_branches(shape: Shape) -> list[str]:
    return [*(_exact(shape, number, facet) for number, facet in _branches(shape)), f"SELECT n.*, {_block(shape)} AS block FROM unplaced n"]


def _exact(shape: Shape, number: int, facet: int) -> str:
    kind, distance = shape.spaces[number].kind, f"distance_{number}_{facet}"
    return f"""
        SELECT n.item_id, {number * BRANCHES + facet} AS branch, n.place, {_block(shape, kind)} AS block
        FROM (
            SELECT o.item_id, row_number() OVER (ORDER BY o.distance, o.item_id) AS place
            FROM (SELECT item_id, {distance} AS distance FROM eligible
                  WHERE {distance} IS NOT NULL ORDER BY {distance}, item_id LIMIT {shape.n_candidates(kind)}) AS o
        ) AS n"""


def _unplaced(shape: Shape) -> str:
    """Items without a vector fill up what is left, and are not looked for where nothing is."""
    n = shape.n_blocks * shape.block
    without = "\n      ".join(
        f"AND NOT EXISTS (SELECT FROM item_vectors v WHERE {in_space(shape, number, 'v')} AND v.item_id = i.id)"
        for number in range(len(shape.spaces))
    )
    return f"""
unplaced AS MATERIALIZED (
    SELECT i.id AS item_id, {POPULAR} AS branch,
           (SELECT count(*) FROM eligible) + row_number() OVER (ORDER BY {BY_POPULARITY}) AS place
    FROM items i
    WHERE (SELECT count(*) FROM (SELECT FROM eligible LIMIT {n}) AS e) < {n}
      {without}
      {_eligible_where(shape)}
    ORDER BY {BY_POPULARITY}
    LIMIT {n}
)"""


def _listed(shape: Shape, branch: int, order: str, *, condition: str = "true", source: str = "items i") -> str:
    return f"""
        SELECT n.item_id, {branch} AS branch, n.place, {_block(shape)} AS block
        FROM (
            SELECT i.id AS item_id, row_number() OVER (ORDER BY {order}) AS place
            FROM {source}
            WHERE {condition} {_eligible_where(shape, is_index_scan=order == BY_POPULARITY)}
            ORDER BY {order}
            LIMIT {shape.n_candidates()}
        ) AS n"""


def _titled(shape: Shape) -> str:
    # The whole name, its beginning, a word's beginning, anywhere.
    nearness = """CASE WHEN i.search_key = :folded OR i.search_key LIKE :whole_then_original THEN 0
                WHEN i.search_key LIKE :beginning THEN 1
                WHEN i.search_key LIKE :word_beginning THEN 2 ELSE 3 END"""
    order = f"{nearness}, length(i.search_key), {BY_POPULARITY}"
    return _listed(shape, TITLE, order, condition="i.search_key LIKE ALL (CAST(:patterns AS text[]))")


def _engaged(shape: Shape) -> str:
    mine = "g.server_id = :server_id AND g.user_id = :user_id AND g.item_id = i.id AND g.is_seen"
    if shape.search == "in_progress":
        # What was left alone for long, or soon broken off, is nothing to go on with.
        begun = """(g.last_at IS NULL OR g.last_at > :left_since OR i.kind = 'series' AND EXISTS (
                  SELECT FROM entries n WHERE n.server_id = :server_id AND n.item_id = i.id AND n.kind = 'episode'
                    AND n.deleted_at IS NULL AND n.added_at > greatest(g.last_at, :left_since)))"""
        broken_off = "(coalesce(g.completion, 1) < 0.10 AND g.n_episodes <= 1 AND (g.last_at IS NULL OR g.last_at < :given_up_since))"
        condition, order = (
            f"{mine} AND NOT {FINISHED} AND {begun} AND NOT {broken_off}",
            "g.last_at DESC NULLS LAST, g.last_order DESC NULLS LAST, i.id",
        )
    else:
        liked = "(g.rating >= 7 OR g.rating IS NULL AND (g.is_favourite OR g.is_liked OR g.completion >= 0.9))"
        condition = f"{mine} AND {FINISHED} AND {liked} AND (g.last_at IS NULL OR g.last_at < :long_ago)"
        order = "(g.is_favourite OR coalesce(g.is_liked, false)) DESC, g.rating DESC NULLS LAST, g.n_plays DESC, i.prior DESC, i.id"
    return _listed(shape, POPULAR, order, condition=condition, source="engagement g, items i")


def _eligible_where(shape: Shape, *, is_index_scan: bool = False) -> str:
    conditions = [condition for name, condition in FILTERS.items() if name in shape.filters]
    may_open = f"EXISTS (SELECT FROM entries e WHERE {open_entry('i.id', shape.is_restricted, in_library=IN_LIBRARY)}"
    if is_index_scan:
        # Hidden from the planner, which takes an array's overlap for 0.5% and leaves the index; and OFFSET 0 keeps
        # the look at a candidate's entries a look at that candidate's alone.
        conditions = [f"CASE WHEN {condition} THEN true ELSE false END" for condition in conditions]
        may_open += " OFFSET 0"
    if shape.is_restricted:
        conditions.append(f"{may_open})")
    filters = "".join(f"\n              AND {condition}" for condition in conditions)
    return f"""AND i.server_id = :server_id AND i.is_available{filters}
              AND NOT EXISTS (
                  SELECT FROM engagement g
                  WHERE g.server_id = :server_id AND g.user_id = :user_id AND g.item_id = i.id
                    AND (g.is_hidden OR g.is_liked IS FALSE{_counts_as_seen(shape)}))"""


def _counts_as_seen(shape: Shape) -> str:
    if shape.search in ("in_progress", "again"):
        return ""
    conditions = ["g.is_seen AND NOT :include_seen"]
    if shape.in_progress_is_open:
        conditions.append(FINISHED)
    if shape.watched_returns:
        conditions.append("(g.last_at IS NULL OR g.last_at > :watched_since)")
    return f" OR {' AND '.join(conditions)}"
