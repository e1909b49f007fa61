"""What may be named to whom, worked out in plain Python from what was told: from the README, not from the SQL."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.db.household import Body
from tests.leaks.invent import AGES, MARK

TITLES = ("movie", "series")
# So much of a film or an episode is all of it; a rating from WELL on is praise.
WHOLE = 0.9
WELL = 7


@dataclass
class Told:
    """Everything that one server was told, in the order of telling."""

    settings: Body
    items: dict[str, Body] = field(default_factory=dict)
    users: dict[str, Body] = field(default_factory=dict)
    plays: list[Body] = field(default_factory=list)
    signals: list[Body] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)

    def hear(self, kind: str, body: Body, at: datetime) -> None:
        if kind == "items":
            self.items[body["item_id"]] = body
            self.deleted.discard(body["item_id"])
            self.libraries |= {body["library_id"]} if body.get("library_id") else set()
        elif body["user_id"] in self.erased:
            return
        elif kind == "users":
            self.users[body["user_id"]] = body
            self.libraries |= set(body["library_ids"] or ())
        elif kind == "plays":
            self.plays.append(body)
        else:
            self._hear_signal(body, at)

    def _hear_signal(self, body: Body, at: datetime) -> None:
        """Without a time it is said when it is told; telling the same again changes nothing."""
        said_at = datetime.fromisoformat(body["at"]) if body.get("at") else at
        heard = body | {"subject": {"dislike": "like", "unwatched": "watched"}.get(body["kind"], body["kind"]), "said_at": said_at}
        if not body.get("at"):
            same = [one for one in self.signals if not one.get("at") and _about(one) == _about(heard)]
            if same and (same[-1]["kind"], same[-1]["value"]) == (body["kind"], body["value"]):
                return
            self.signals = [one for one in self.signals if one not in same]
        self.signals.append(heard)


def _about(signal: Body) -> tuple[str, str, str]:
    return signal["user_id"], signal["item_id"], signal["subject"]


@dataclass(frozen=True)
class Did:
    """What a person did with a title. `is_finished` is None where nobody knows."""

    is_seen: bool
    is_finished: bool | None
    last_at: datetime | None
    rating: float | None
    is_hidden: bool
    is_disliked: bool
    is_wanted: bool


@dataclass(frozen=True)
class View:
    """Titles by what may be said of them to one person; `opens`: entries that the person may open."""

    opens: frozenset[str]
    visible: frozenset[str]
    hidden: frozenset[str]
    # What may be recommended; the same with what was seen; what a reason may name; what a taste may be made of.
    fresh: frozenset[str]
    all: frozenset[str]
    watched: frozenset[str]
    liked: frozenset[str]
    # Begun and finished titles that may be listed as such, and those of them that surely must.
    begun: frozenset[str]
    lately_begun: frozenset[str]
    finished: frozenset[str]
    long_praised: frozenset[str]


class Oracle:
    """Of what was told so far; the telling over, it does not change. Without a user, everything that is there may be named."""

    def __init__(self, told: Told, now: datetime) -> None:
        self.told, self.now = told, now
        self.title_of = {entry: title_key(told.items.get(body.get("series_id"), body)) for entry, body in told.items.items()}
        self.entries: dict[str, list[str]] = defaultdict(list)
        self.parts: dict[str, set[Any]] = defaultdict(set)
        for entry, body in told.items.items():
            title = self.title_of[entry]
            if body["type"] in TITLES:
                self.entries[title].append(entry)
            elif body["season_number"] != 0:
                self.parts[title].add(_part(body))
        self.entry_of_mark = {MARK.search(body["name"])[0].lower(): entry for entry, body in told.items.items()}
        self._evidence: dict[tuple[str, str], list[Body]] = defaultdict(list)
        for one in [*told.plays, *told.signals]:
            if one["item_id"] in self.title_of:
                self._evidence[one["user_id"], self.title_of[one["item_id"]]].append(one)
        self._views: dict[str | None, View] = {}

    def facts(self, title: str) -> Body:
        """Versions have these in common."""
        return self.told.items[self.entries[title][0]]

    def view(self, user_id: str | None) -> View:
        if user_id not in self._views:
            self._views[user_id] = self._seen_by(user_id)
        return self._views[user_id]

    def may_open(self, user_id: str | None, entry: str) -> bool:
        body = self.told.items[entry]
        if body["type"] not in TITLES or entry in self.told.deleted:
            return False
        if user_id is None:
            return True
        person, settings = self.told.users[user_id], self.told.settings
        return _in_library(person, body, settings) and _of_age(person, body, settings) and _with_tags(person, body)

    def _seen_by(self, user_id: str | None) -> View:
        opens = frozenset(entry for entry in self.told.items if self.may_open(user_id, entry))
        visible = frozenset(self.title_of[entry] for entry in opens)
        did = {title: self.did(user_id, title) for title in visible if (user_id, title) in self._evidence}
        hidden = frozenset(title for title, one in did.items() if one.is_hidden)
        refused = hidden | {title for title, one in did.items() if one.is_disliked}
        seen = {title: one for title, one in did.items() if one.is_seen and title not in hidden}
        # Whoever opted out is answered without a taste: nothing is based on what they did.
        draws = {} if user_id is not None and self.told.users[user_id]["opted_out"] else did
        listed = {title: one for title, one in seen.items() if title not in refused}
        return View(
            opens=opens,
            visible=visible,
            hidden=hidden,
            fresh=frozenset(title for title in visible - refused if title not in did or not self._counts_as_seen(did[title])),
            all=visible - refused,
            watched=frozenset(title for title in draws if title in seen),
            liked=frozenset(title for title, one in draws.items() if (one.is_seen or one.is_wanted) and title not in hidden),
            begun=frozenset(title for title, one in listed.items() if one.is_finished is not True),
            lately_begun=frozenset(t for t, one in listed.items() if one.is_finished is False and self._days_ago(one, 999) < 170),
            finished=frozenset(title for title, one in listed.items() if one.is_finished is not False),
            long_praised=frozenset(t for t, one in listed.items() if one.is_finished and _is_praised(one) and self._days_ago(one, 0) > 200),
        )

    def _days_ago(self, did: Did, unknown: float) -> float:
        return unknown if did.last_at is None else (self.now - did.last_at) / timedelta(days=1)

    def _counts_as_seen(self, did: Did) -> bool:
        settings = self.told.settings
        if not did.is_seen or (settings["in_progress"] == "open" and did.is_finished is False):
            return False
        returns_after = settings["watched_returns_after_days"]
        return returns_after is None or self._days_ago(did, 0) < returns_after

    def did(self, user_id: str, title: str) -> Did:
        return what_they_did(self._evidence[user_id, title], self.told.items, self.parts[title], self.facts(title)["type"] == "series")


def title_key(body: Body) -> str:
    """Entries of one kind with one provider id are one title."""
    ids = body.get("provider_ids") or {}
    return next((f"{body['type']} {name} {ids[name]}" for name in ("tmdb", "imdb", "tvdb") if ids.get(name)), f"entry {body['item_id']}")


def _in_library(person: Body, body: Body, settings: Body) -> bool:
    if person["library_ids"] is None:
        return True
    library = body.get("library_id")
    return settings["without_library"] == "show" if library is None else library in person["library_ids"]


def _of_age(person: Body, body: Body, settings: Body) -> bool:
    if person["max_parental_age"] is None:
        return True
    age = AGES[body.get("official_rating")]
    return settings["unrated"] == "show" if age is None else age <= person["max_parental_age"]


def _with_tags(person: Body, body: Body) -> bool:
    tags, blocked, allowed = (
        {tag.strip().lower() for tag in tags} for tags in (body["tags"], person["blocked_tags"], person["allowed_tags"])
    )
    return not tags & blocked and (not allowed or bool(tags & allowed))


def what_they_did(evidence: list[Body], items: dict[str, Body], parts: set[Any], is_series: bool) -> Did:
    """One person's plays and signals of one title. `parts`: the numbers of a series' episodes, specials aside."""
    signals = sorted((one for one in evidence if "kind" in one), key=lambda one: one["said_at"])
    words = {one["subject"]: one for one in signals}
    marks = {one["item_id"]: one for one in signals if one["subject"] == "watched"}
    # "Unwatched" takes back what came before it: of its entry, or of the whole title where it was said of that.
    taken_back = {entry: one["said_at"] for entry, one in marks.items() if one["kind"] == "unwatched"}
    title_back = [at for entry, at in taken_back.items() if items[entry]["type"] in TITLES]
    marked = [one for one in marks.values() if one["kind"] == "watched" and all(at <= one["said_at"] for at in title_back)]
    played = [one for one in evidence if "kind" not in one and _stands(one, [*title_back, *_listed(taken_back.get(one["item_id"]))])]
    rating = words.get("rating")
    rated = rating is not None and rating["value"] is not False
    times = [_ended_at(one) for one in played] + [one.get("at") for one in marked] + ([rating.get("at")] if rated else [])
    known = [datetime.fromisoformat(at) for at in times if at]
    is_said = {kind: kind in words and words[kind]["value"] is not False for kind in ("hide", "like", "favourite", "watchlist")}
    return Did(
        is_seen=bool(played or marked or rated),
        is_finished=_is_finished(played, marked, items, parts, is_series) if played or marked else rated,
        last_at=max(known, default=None),
        rating=rating["value"] if rated else None,
        is_hidden=is_said["hide"],
        is_disliked=is_said["like"] and words["like"]["kind"] == "dislike",
        is_wanted=is_said["favourite"] or is_said["watchlist"] or (is_said["like"] and words["like"]["kind"] == "like"),
    )


def _listed(value: Any) -> list[Any]:
    return [] if value is None else [value]


def _stands(play: Body, taken_back: list[datetime]) -> bool:
    """A play without a time came before whatever was said."""
    started_at = play.get("started_at")
    return not taken_back or (started_at is not None and datetime.fromisoformat(started_at) > max(taken_back))


def _ended_at(play: Body) -> str | None:
    started_at = play.get("started_at")
    return started_at and (datetime.fromisoformat(started_at) + timedelta(seconds=play.get("played_seconds", 0))).isoformat()


def _is_finished(played: list[Body], marked: list[Body], items: dict[str, Body], parts: set[Any], is_series: bool) -> bool | None:
    if any(items[one["item_id"]]["type"] in TITLES for one in marked):
        return True
    shares: dict[Any, list[float | None]] = defaultdict(list)
    for one in played:
        shares[_part(items[one["item_id"]])].append(_share(one, items[one["item_id"]]))
    for one in marked:
        shares[_part(items[one["item_id"]])].append(1.0)
    wanted = parts if is_series else set(shares)
    if not wanted <= set(shares) or not wanted:
        return False
    known = [max((share for share in shares[part] if share is not None), default=None) for part in wanted]
    if any(share is not None and share < WHOLE for share in known):
        return False
    return None if None in known else True


def _part(body: Body) -> Any:
    return (body["season_number"], body["episode_number"]) if body["type"] == "episode" else "film"


def _share(play: Body, entry: Body) -> float | None:
    """Of the entry that was watched in this play; None: unknown."""
    runtime = entry.get("runtime_seconds")
    seconds = play["played_seconds"] / runtime if runtime and "played_seconds" in play else None
    told = {True: 1.0, False: 0.0}.get(play.get("completed"))
    shares = [seconds, play["percent"] / 100 if "percent" in play else None, told]
    return max((share for share in shares if share is not None), default=None)


def _is_praised(did: Did) -> bool:
    return did.rating is not None and did.rating >= WELL
