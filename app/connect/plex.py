"""A Plex Media Server, as a sync reads it.

It knows all about its owner's viewing, and of everybody else who watches there what they watched to its end. What others may see is
known to plex.tv alone: they are shown nothing, unless whoever runs Palate says that they may see everything.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, Self

from app.connect.lenient import listed, mapping, word
from app.connect.media_client import Parameters
from app.connect.media_server import FILMS, SHOWS, Found, HistoryPage, Library, MediaUser, ServerInfo
from app.connect.plex_client import PlexClient
from app.connect.plex_items import NUMBERS, is_item, item_body, key_of, state_of, viewing_of
from app.connect.states import TITLES, State
from app.errors import MediaServerUnclear

Guests = Literal["hide", "show"]
OWNER = "1"
HELD = {"movie": FILMS, "show": SHOWS}
HISTORY = "/status/sessions/history/all"
NOTE = "Plex does not say what others than its owner may see: they get nothing unless the server's setting `guests` is `show`."


class Plex:
    source, product = "plex", "Plex"

    def __init__(self, client: PlexClient, guests: Guests) -> None:
        self._client, self._guests = client, guests

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.__exit__(*error)

    @property
    def url(self) -> str:
        return self._client.url

    @property
    def n_requests(self) -> int:
        return self._client.n_requests

    @property
    def answered_at(self) -> datetime | None:
        return self._client.answered_at

    def info(self) -> ServerInfo:
        # /identity says who answers as well, but to anybody.
        answer = self._client.container("/")
        key = word(answer.get("machineIdentifier"), 256)
        if key is None:
            raise MediaServerUnclear(f"{self.url} does not say which server it is. Is this the address of a Plex Media Server?")
        return ServerInfo(key, word(answer.get("friendlyName"), 512) or "Plex", str(answer.get("version") or ""))

    def look_around(self) -> Found:
        libraries = [(one.name, kind, self.count_items(one, kind)) for one in self.libraries() for kind in one.types]
        users = self.users()
        played = [(str(user.body["name"]), self._client.count(HISTORY, {"accountID": user.id})) for user in users]
        return Found(libraries, played, [], [NOTE] if len(users) > 1 else [])

    def libraries(self) -> list[Library]:
        sections = [
            (key_of(one.get("key")), word(one.get("title"), 512), word(one.get("type"), 16))
            for one in map(mapping, listed(self._client.container("/library/sections").get("Directory")))
        ]
        return [Library(key, name or "?", HELD[kind]) for key, name, kind in sections if key is not None and kind in HELD]

    def count_items(self, library: Library, kind: str) -> int:
        return self._client.count(*_list_of(library.id, kind))

    def items(self, library: Library, saved_since: datetime | None) -> Iterator[list[dict[str, Any]]]:
        since: Parameters = {} if saved_since is None else {"updatedAt>": int(saved_since.timestamp())}
        for kind in library.types:
            for found in self._pages(library.id, kind, since):
                # A list names some of a title's genres and people.
                whole = {item["ratingKey"]: item for item in self._by_id([one["ratingKey"] for one in found] if kind in TITLES else [])}
                yield [item_body(whole.get(item["ratingKey"], item), library.id) for item in found]

    def items_by_id(self, library: Library, ids: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        yield [item_body(item, library.id) for item in self._by_id(ids)]

    def ids(self, library: Library) -> tuple[set[str], bool]:
        ids: set[str] = set()
        total = 0
        for kind in library.types:
            path, asked = _list_of(library.id, kind)
            for number, page in enumerate(self._client.pages(path, asked)):
                ids |= {item["ratingKey"] for item in page.items if is_item(item)}
                total += page.total if number == 0 else 0
        return ids, len(ids) == total == sum(self.count_items(library, kind) for kind in library.types)

    def users(self) -> list[MediaUser]:
        accounts = [mapping(one) for one in listed(self._client.container("/accounts").get("Account"))]
        if any(not isinstance(one.get("id"), int) for one in accounts):
            raise MediaServerUnclear("The media server answers a user without an id.")
        # 0 is nobody.
        return [self._user(str(one["id"]), word(one.get("name"), 512)) for one in accounts if one["id"] > 0]

    def _user(self, key: str, name: str | None) -> MediaUser:
        is_owner = key == OWNER
        policy = "owner" if is_owner else f"guest: {self._guests}"
        body = {"user_id": key, "name": name or f"Account {key}"}
        return MediaUser(key, body, False, is_owner, is_owner or self._guests == "show", hashlib.sha256(policy.encode()).hexdigest())

    def everything(self, user: str) -> Iterator[list[State]]:
        if user != OWNER:
            if self._guests == "show":
                for page in self._owned(TITLES):
                    yield [_untouched(state) for state in page]
            yield from self._history(user, None)
            return
        seen: dict[str, list[State]] = {}
        for page in self._history(user, None):
            for state in page:
                seen.setdefault(state.item_id, []).append(state)
        for page in self._owned((*TITLES, "Episode")):
            yield [told for state in page for told in _with_history(state, seen.get(state.item_id, []))]

    def news(self, user: str, known_until: datetime | None) -> Iterator[list[State]]:
        yield from self._history(user, known_until)
        if user == OWNER and known_until is not None:
            for page in self._owned(("Movie", "Episode"), {"lastViewedAt>": int(known_until.timestamp())}):
                yield [replace(state, is_played=False) for state in page if state.sitting is not None]

    def states_by_id(self, user: str, ids: Sequence[str]) -> Iterator[list[State]]:
        if user == OWNER:
            yield [state_of(item) for item in self._by_id(ids)]

    def saved_titles(self, user: str, saved_since: datetime) -> set[str]:
        if user != OWNER and self._guests == "hide":
            return set()
        since: Parameters = {"updatedAt>": int(saved_since.timestamp())}
        return {state.item_id for page in self._owned(TITLES, since) for state in page}

    def visible_among(self, user: str, ids: Sequence[str]) -> set[str]:
        if user != OWNER and self._guests == "hide":
            return set()
        return self.present_among(ids)

    def present_among(self, ids: Sequence[str]) -> set[str]:
        return {item["ratingKey"] for item in self._by_id(ids)}

    def history(self, known_row: int | None) -> Iterator[HistoryPage]:  # noqa: ARG002  # its own is read with the users
        return iter(())

    def _history(self, user: str, since: datetime | None) -> Iterator[list[State]]:
        """Oldest first, so that what comes meanwhile comes last."""
        asked: Parameters = {"accountID": user, "sort": "viewedAt:asc"}
        asked = asked if since is None else {**asked, "viewedAt>": int(since.timestamp())}
        for page in self._client.pages(HISTORY, asked):
            yield [state for row in page.items if (state := viewing_of(row, is_shown=user == OWNER)) is not None]

    def _owned(self, kinds: Sequence[str], narrowed: Parameters | None = None) -> Iterator[list[State]]:
        for library in self.libraries():
            for kind in (one for one in library.types if one in kinds):
                for found in self._pages(library.id, kind, narrowed or {}):
                    yield [state_of(item) for item in found]

    def _pages(self, library_id: str, kind: str, narrowed: Parameters) -> Iterator[list[dict[str, Any]]]:
        path, asked = _list_of(library_id, kind)
        for page in self._client.pages(path, {**asked, **narrowed, "includeGuids": 1}):
            yield [item for item in page.items if is_item(item)]

    def _by_id(self, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        wanted = set(ids)
        return (item for items in self._client.by_id(ids) for item in items if is_item(item) and item["ratingKey"] in wanted)


def _list_of(library_id: str, kind: str) -> tuple[str, Parameters]:
    return f"/library/sections/{library_id}/all", {"type": NUMBERS[kind], "sort": "addedAt:asc"}


def _untouched(state: State) -> State:
    """The same title for somebody of whom it does not say."""
    return State(state.item_id, state.type, 0, False, None, None, False, None, None)


def _with_history(state: State, seen: list[State]) -> list[State]:
    """An item's state with the times that it was watched to its end. What was marked as not watched since was not."""
    if not state.was_begun:
        return [state]
    if state.sitting is not None:
        return [replace(state, is_played=False), *seen]
    if not seen:
        return [state]
    n_untold = max(state.n_plays - len(seen) + 1, 1)
    return [*seen[:-1], replace(state, n_plays=n_untold, last_at=seen[-1].last_at)]
