"""A small Plex Media Server over HTTP, with the faults of the made-up Jellyfin. There is no official description of one to hold it against:
its answers have the shapes of recorded ones (test_recorded.py)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from tests.connect.fake_emby import numbered
from tests.connect.fake_jellyfin.library import FakeItem, FakeLibrary, FakeState
from tests.connect.fake_jellyfin.server import KEY, Answer, FakeJellyfin

TYPES = {"1": "Movie", "2": "Series", "3": "Season", "4": "Episode"}
NAMES = {"Movie": "movie", "Series": "show", "Season": "season", "Episode": "episode"}
SECTIONS = {"movies": "movie", "tvshows": "show", "music": "artist"}
OWNER = "1"


@dataclass(frozen=True)
class Viewing:
    number: int
    account: str
    item_id: str
    at: datetime


class FakePlex(FakeJellyfin):
    """Its first user is its owner, of whom alone the library tells; what all watched to its end is in `history`."""

    kind = "plex"

    def __init__(self, library: FakeLibrary) -> None:
        super().__init__(_with_accounts(numbered(library)))
        self.version, self._description = "1.40.0.7998", None
        self.history: list[Viewing] = []
        for account, user in self.library.users.items():
            for key, state in user.states.items():
                if state.is_played and state.played_at is not None:
                    # Plex knows whole seconds.
                    user.states[key] = replace(state, n_plays=1, rating=None, played_at=state.played_at.replace(microsecond=0))
                    self._add(account, key, state.played_at)
                else:
                    user.states[key] = replace(state, rating=None)

    def watch(self, account: str, item_id: str, at: datetime) -> None:
        self.library.watch(account, item_id, at)
        self._add(account, item_id, at)

    def _add(self, account: str, item_id: str, at: datetime) -> None:
        self.history.append(Viewing(len(self.history) + 1, account, item_id, at))

    def _good(self, path: str, query: dict[str, str], headers: Mapping[str, str], method: str, body: bytes) -> Answer:
        if headers.get("X-Plex-Token") != KEY or headers.get("Accept") != "application/json":
            return Answer(401, b"<html><body>401 Unauthorized</body></html>")
        if found := re.fullmatch(r"/library/sections/(\d+)/all", path):
            return self._page([self._body(one, query, is_listed=True) for one in self._listed(found[1], query)], query)
        if found := re.fullmatch(r"/library/metadata/([\d,]+)", path):
            items = [self.library.items[key] for key in found[1].split(",") if key in self.library.items]
            return self._said(Metadata=[self._body(one, query) for one in items], size=len(items)) if items else Answer(404)
        match path:
            case "/":
                return self._said(friendlyName="Loft", machineIdentifier=self.id, version=self.version)
            case "/library/sections":
                named = self.library.folders.items()
                return self._said(Directory=[{"key": key, "title": name, "type": SECTIONS[str(kind)]} for key, (name, kind) in named])
            case "/accounts":
                accounts = [{"id": int(user.id), "key": f"/accounts/{user.id}", "name": user.name} for user in self.library.users.values()]
                return self._said(Account=[{"id": 0, "key": "/accounts/0", "name": ""}, *accounts])
            case "/status/sessions/history/all":
                return self._page(self._history(query), query)
            case _:
                return Answer(404)

    def _listed(self, section: str, query: Mapping[str, str]) -> list[FakeItem]:
        items = [one for one in self.library.items.values() if one.library_id == section and one.type == TYPES[query["type"]]]
        if "updatedAt>" in query:
            items = [one for one in items if one.saved_at.timestamp() >= int(query["updatedAt>"])]
        if "lastViewedAt>" in query:
            since = int(query["lastViewedAt>"])
            items = [one for one in items if (at := self._owners(one).played_at) is not None and at.timestamp() >= since]
        return sorted(items, key=lambda one: one.created_at)

    def _history(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        since = int(query.get("viewedAt>", 0))
        rows = [one for one in self.history if one.account == query["accountID"] and one.at.timestamp() >= since]
        return [self._row(one) for one in sorted(rows, key=lambda one: one.at)]

    def _row(self, viewing: Viewing) -> dict[str, Any]:
        """Of what is gone it does not say which it was."""
        item = self.library.items.get(viewing.item_id)
        told = {} if item is None else {"ratingKey": item.id, "key": f"/library/metadata/{item.id}"}
        return told | {
            "historyKey": f"/status/sessions/history/{viewing.number}", "accountID": int(viewing.account), "title": "?",
            "type": "movie" if item is None else NAMES[item.type], "viewedAt": int(viewing.at.timestamp()),
        }  # fmt: skip

    def _owners(self, item: FakeItem) -> FakeState:
        return self.library.users[OWNER].states.get(item.id, FakeState())

    def _body(self, item: FakeItem, query: Mapping[str, str], *, is_listed: bool = False) -> dict[str, Any]:
        state, genres = self._owners(item), item.genres[:1] if is_listed else item.genres
        body: dict[str, Any] = {
            "ratingKey": item.id, "key": f"/library/metadata/{item.id}", "guid": f"plex://{NAMES[item.type]}/{item.id}",
            "type": NAMES[item.type], "title": item.name, "year": item.year, "contentRating": item.official_rating, "audienceRating": 7.5,
            "summary": item.overview, "addedAt": int(item.created_at.timestamp()), "updatedAt": int(item.saved_at.timestamp()),
            "duration": item.runtime_seconds and item.runtime_seconds * 1000, "thumb": f"/library/metadata/{item.id}/thumb/1",
            "art": f"/library/metadata/{item.id}/art/1", "Genre": [{"tag": one} for one in genres],
            "Role": [{"tag": one} for one in item.people], "index": item.number,
            "viewCount": state.n_plays if state.is_played else None,
            "viewOffset": state.position_seconds * 1000 or None, "userRating": state.rating,
            "lastViewedAt": int(state.played_at.timestamp()) if state.played_at else None,
        }  # fmt: skip
        if item.type == "Season":
            body |= {"parentRatingKey": item.series_id, "index": item.number}
        if item.type == "Episode":
            body |= {"grandparentRatingKey": item.series_id, "parentRatingKey": item.season_id, "parentIndex": item.season_number}
        if query.get("includeGuids") == "1":
            body["Guid"] = [{"id": f"{name.lower()}://{key}"} for name, key in item.provider_ids.items()]
        return {name: value for name, value in body.items() if value not in (None, [])}

    def _page(self, rows: list[dict[str, Any]], query: Mapping[str, str]) -> Answer:
        start, size = int(query["X-Plex-Container-Start"]), int(query["X-Plex-Container-Size"])
        page = rows[start : start + size]
        listed = {"Metadata": page} if page else {}
        return self._said(size=len(page), offset=start, totalSize=len(rows), **listed)

    def _said(self, **container: Any) -> Answer:
        return Answer(200, orjson.dumps({"MediaContainer": {"size": 0} | container}))


def _with_accounts(library: FakeLibrary) -> FakeLibrary:
    users = {str(number + 1): replace(user, id=str(number + 1)) for number, user in enumerate(library.users.values())}
    return FakeLibrary(library.folders, library.items, users)
