"""Whether an answer names anything that it must not, or leaves out what it owes."""

from collections.abc import Iterator
from typing import Any

from app.db.dressing import MIN_CLOSENESS
from app.recommend.home import GEM_RATING, GEM_VOTES
from app.recommend.similar import PRIOR_WEIGHT
from tests.leaks.ask import Ask
from tests.leaks.invent import ENTRY_ID, MARK
from tests.leaks.oracle import Oracle, View
from tests.leaks.world import GHOST, World

Path = tuple[str, ...]
Titles = frozenset[str]
NOTHING: Titles = frozenset()

# Of a home page; rows of interests stand between the picks and the new.
ORDER = ("continue", "because-you-watched", "top-picks", "interest", "new", "popular", "hidden-gems", "watch-again")
ALWAYS = ("continue", "new", "popular", "watch-again")
# So like it that no quality puts another before it which is not like it at all.
SURELY_CLOSE = MIN_CLOSENESS + PRIOR_WEIGHT + 0.01


def faults(world: World, ask: Ask) -> list[str]:
    """Asks, and says in words what is wrong with the answer."""
    answer = world.client.get(ask.path, params={"server_id": world.name, **ask.parameters})
    return faults_of(world, ask, answer.status_code, answer.text, answer.json())


def faults_of(world: World, ask: Ask, status: int, text: str, answer: Any) -> list[str]:
    oracle = world.oracle
    expected = _status(world, ask)
    if status not in expected:
        return [f"status {status}, not {expected}: {text[:300]}"]
    if status != 200:
        return [f"{mark} is named by an error" for mark in set(MARK.findall(text)) if mark.lower() not in ask.about]
    view = oracle.view(ask.user_id)
    match ask.endpoint:
        case "recommendations":
            faults = _listed(world, ask, answer["items"], _wished(oracle, view, ask.parameters), view.watched)
        case "home":
            faults = _home(world, ask, view, answer["rows"])
        case "similar":
            asked = frozenset({oracle.title_of[ask.about]})
            faults = _listed(world, ask, answer["items"], view.fresh - asked, asked)
        case "search":
            faults = _searched(world, ask, view, answer)
        case "taste":
            faults = list(_misnamed(oracle, view, answer, NOTHING, view.liked))
        case "hidden":
            named = [oracle.title_of.get(item["item_id"]) for item in answer["items"]]
            faults = list(_misnamed(oracle, view, answer, view.hidden, NOTHING)) + _n_faults(len(named), len(view.hidden))
    return faults + _raw_faults(oracle, view, text)


def _status(world: World, ask: Ask) -> tuple[int, ...]:
    told, oracle, person = world.told, world.oracle, ask.user_id
    if person is not None and (person == GHOST or person in told.erased):
        return (404,)
    if person is not None and told.users[person]["is_disabled"]:
        return (200, 403) if ask.endpoint == "hidden" else (403,)
    if ask.parameters.get("library_id") is not None and ask.parameters["library_id"] not in told.libraries:
        return (404,)
    if ask.endpoint != "similar":
        return (200,)
    if ask.about in told.deleted:
        return (200, 404)
    view = oracle.view(person)
    return (200,) if oracle.title_of.get(ask.about) in view.visible - view.hidden else (404,)


def _wished(oracle: Oracle, view: View, wishes: dict[str, Any]) -> Titles:
    """What fits the filters. What is not known of a title does not fit a limit on it."""
    excluded = {oracle.title_of[entry] for entry in wishes.get("exclude_ids", "").split(",") if entry}
    base = view.all if wishes.get("include_seen") else view.fresh
    if "library_id" in wishes:
        base &= {oracle.title_of[entry] for entry in view.opens if _is_there(oracle, entry, wishes)}
    return frozenset(title for title in base - excluded if _fits(oracle.facts(title), wishes))


def _is_there(oracle: Oracle, entry: str, wishes: dict[str, Any]) -> bool:
    return "library_id" not in wishes or oracle.told.items[entry].get("library_id") == wishes["library_id"]


def _fits(facts: dict[str, Any], wishes: dict[str, Any]) -> bool:
    genres = {genre.lower() for genre in facts["genres"]}
    wanted, unwanted = ({part.strip().lower() for part in wishes.get(name, "").split(",")} for name in ("genres", "exclude_genres"))
    year, runtime = facts["year"], facts["runtime_seconds"]
    return (
        wishes.get("type", "all") in ("all", facts["type"])
        and ("genres" not in wishes or bool(genres & wanted))
        and not genres & unwanted
        and ("year_from" not in wishes or (year is not None and year >= wishes["year_from"]))
        and ("year_to" not in wishes or (year is not None and year <= wishes["year_to"]))
        and ("max_runtime_minutes" not in wishes or (runtime is not None and runtime <= 60 * wishes["max_runtime_minutes"]))
    )


def _listed(world: World, ask: Ask, items: list[Any], eligible: Titles, evidence: Titles) -> list[str]:
    """A list of these titles and no others, full while there are any, nothing twice."""
    oracle, view = world.oracle, world.oracle.view(ask.user_id)
    faults = list(_misnamed(oracle, view, items, eligible, evidence))
    named = [oracle.title_of.get(item["item_id"]) for item in items]
    faults += [f"{title} comes twice" for title in set(named) if named.count(title) > 1]
    faults += [f"{item['item_id']} is in another library" for item in items if not _is_there(oracle, item["item_id"], ask.parameters)]
    return faults + _n_faults(len(items), max(0, min(ask.limit, len(eligible) - ask.parameters.get("offset", 0))))


def _n_faults(n_items: int, n_expected: int) -> list[str]:
    return [] if n_items == n_expected else [f"{n_items} items, not {n_expected}"]


def _searched(world: World, ask: Ask, view: View, answer: Any) -> list[str]:
    """By meaning, everything fits more or less; by title alone, only the count is open. A title with one version is found by its mark."""
    oracle, items = world.oracle, answer["items"]
    eligible = view.all if ask.parameters.get("include_seen") else view.fresh
    if not answer["degraded"]:
        faults = _listed(world, ask, items, eligible, NOTHING)
    else:
        faults = list(_misnamed(oracle, view, items, eligible, NOTHING))
    mark = MARK.search(ask.about)
    title = oracle.title_of.get(oracle.entry_of_mark.get(mark[0], "")) if mark else None
    if title in eligible and len(oracle.entries[title]) == 1 and oracle.told.items[oracle.entry_of_mark[mark[0]]]["type"] != "episode":
        named = [oracle.title_of.get(item["item_id"]) for item in items]
        faults += [] if title in named or ask.limit < 5 else [f"{title} was not found by its name"]
    return faults


def _home(world: World, ask: Ask, view: View, rows: list[Any]) -> list[str]:
    oracle = world.oracle
    faults: list[str] = []
    shown: set[str] = set()
    kinds = [row["id"].partition("-")[0] if row["id"].startswith("interest") else row["id"] for row in rows]
    if [ORDER.index(kind) for kind in kinds] != sorted(ORDER.index(kind) for kind in kinds):
        faults.append(f"rows in another order: {kinds}")
    for kind in ORDER:
        of_kind = [row for row, one in zip(rows, kinds, strict=True) if one == kind]
        for row in of_kind or [{"id": kind, "title": "", "items": []}] * (kind in ALWAYS):
            allowed, owed = _row_titles(world, view, row, kind)
            named = [oracle.title_of.get(item["item_id"]) for item in row["items"]]
            faults += [f"{row['id']}: {fault}" for fault in _misnamed(oracle, view, row, allowed, view.watched)]
            faults += [f"{row['id']}: {title} comes twice" for title in named if title in shown or named.count(title) > 1]
            # Only what is alike may be said to come because of a title.
            n_owed = 0 if kind == "because-you-watched" else min(ask.limit, len(owed - shown))
            faults += [f"{row['id']}: {len(named)} items, not {n_owed}"] if len(named) < n_owed else []
            shown |= set(named)
    return faults


def _row_titles(world: World, view: View, row: Any, kind: str) -> tuple[Titles, Titles]:
    """What may stand in a row, and what must before it may be short."""
    oracle = world.oracle
    facts = {title: oracle.facts(title) for title in view.fresh}
    match kind:
        case "continue":
            return view.begun, view.lately_begun
        case "because-you-watched":
            [mark] = MARK.findall(row["title"])
            watched = oracle.title_of.get(oracle.entry_of_mark.get(mark.lower(), ""), "")
            return view.fresh - {watched}, view.fresh & world.close_to(watched, SURELY_CLOSE) - {watched}
        case "new":
            dated = frozenset(title for title, one in facts.items() if one["added_at"] is not None)
            return dated, dated
        case "hidden-gems":
            known = {t: one for t, one in facts.items() if one["community_rating"] is not None and one["vote_count"] is not None}
            gems = frozenset(t for t, one in known.items() if one["community_rating"] >= GEM_RATING and one["vote_count"] <= GEM_VOTES)
            return gems, gems
        case "watch-again":
            return view.finished, view.long_praised
        case _:
            return view.fresh, view.fresh


def _strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _strings(part, (*path, name))
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part, path)
    elif isinstance(value, str):
        yield path, value


def _misnamed(oracle: Oracle, view: View, answer: Any, listed: Titles, evidence: Titles) -> Iterator[str]:
    """Names and ids in any field: of lists in `listed`; where something is based on them, in `evidence`."""
    for path, value in _strings(answer):
        allowed = evidence if {"based_on", "reason", "title", "facets"} & set(path) else listed
        for mark in MARK.findall(value):
            entry = oracle.entry_of_mark.get(mark.lower())
            if entry is None:
                yield f"{'.'.join(path)} names {mark}, of another server"
            elif oracle.title_of[entry] not in allowed:
                yield f"{'.'.join(path)} names {oracle.told.items[entry]['name']} ({entry}, {oracle.title_of[entry]})"
        for entry in ENTRY_ID.findall(value):
            if oracle.title_of.get(entry) not in allowed or entry not in view.opens:
                yield f"{'.'.join(path)} has the id {entry} ({oracle.title_of.get(entry)})"


def _raw_faults(oracle: Oracle, view: View, text: str) -> list[str]:
    """Wherever it stands, in a value or elsewhere: no name and no id of what is not open."""
    marks = {mark.lower() for mark in MARK.findall(text)}
    faults = [f"{mark} is somewhere in the answer" for mark in sorted(marks) if oracle.entry_of_mark.get(mark) not in view.opens]
    return faults + [f"{entry} is somewhere in the answer" for entry in sorted(set(ENTRY_ID.findall(text)) - view.opens)]
