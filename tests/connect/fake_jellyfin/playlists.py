"""The playlists of a made-up Jellyfin: as each version keeps them, asked for with an API key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.connect.fake_jellyfin.answers import plain
from tests.connect.fake_jellyfin.library import FakeLibrary, guid

OK, DONE, BAD, FORBIDDEN, MISSING = 200, 204, 400, 403, 404


@dataclass
class FakePlaylist:
    id: str
    name: str
    owner: str
    is_public: bool
    media_type: str
    item_ids: list[str] = field(default_factory=list)


class Playlists:
    """`deleted`: every id that was deleted by `DELETE /Items/{id}`, of whatever kind it was."""

    def __init__(self, library: FakeLibrary, major: int) -> None:
        self._library, self._major = library, major
        self.all: dict[str, FakePlaylist] = {}
        self.deleted: list[str] = []

    def of(self, user: str) -> list[FakePlaylist]:
        return [one for one in self.all.values() if one.owner == user]

    def make(self, user: str, name: str, *, is_public: bool = False, media_type: str = "Video") -> FakePlaylist:
        """Its id comes of its folder's name, which is free again once it was deleted."""
        folder = f"{name} [playlist]"
        while guid(folder) in self.all:
            folder += "1"
        return self.all.setdefault(guid(folder), FakePlaylist(guid(folder), name, user, is_public, media_type))

    def add(self, playlist: FakePlaylist, item_ids: list[str]) -> None:
        for key in item_ids:
            item = self._library.items.get(plain(key))
            # A series is all its episodes.
            parts = [one.id for one in self._library.items.values() if one.series_id == plain(key) and one.type == "Episode"]
            for one in parts if item is not None and item.type == "Series" else [plain(key)] if item is not None else []:
                if self._major >= 12 or one not in playlist.item_ids:
                    playlist.item_ids.append(one)

    def listed(self, query: Mapping[str, str]) -> dict[str, Any]:
        """`/Items` where it is asked for playlists alone."""
        user = plain(query.get("userId", ""))
        ids = {plain(one) for one in query.get("ids", "").split(",") if one}
        person = self._library.users.get(user)
        is_admin = person is not None and person.policy.get("IsAdministrator") is True
        found = [
            {"Name": one.name, "Id": one.id, "Type": "Playlist", "MediaType": one.media_type, "ServerId": "0" * 32}
            | ({"CanDelete": is_admin or one.owner == user} if "CanDelete" in query.get("fields", "") else {})
            for one in self.all.values()
            if (one.is_public or one.owner == user) and (not ids or one.id in ids)
        ]
        return {"Items": found, "TotalRecordCount": len(found), "StartIndex": 0}

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, bytes]:
        """To a key, which is nobody: whose playlist it is has to be said."""
        if (method, path) == ("POST", "/Playlists"):
            made = self.make(
                plain(body["UserId"]), body["Name"], is_public=body.get("IsPublic", True), media_type=body.get("MediaType", "Audio")
            )
            self.add(made, body.get("Ids", []))
            return OK, orjson.dumps({"Id": made.id})
        if method == "DELETE" and (found := re.fullmatch(r"/Items/([^/]+)", path)):
            # Whatever it is.
            self.deleted.append(plain(found[1]))
            is_there = self.all.pop(plain(found[1]), None) is not None or self._library.items.pop(plain(found[1]), None) is not None
            return (DONE if is_there else MISSING), b""
        if found := re.fullmatch(r"/Playlists/([^/]+)/Items", path):
            playlist = self.all.get(plain(found[1]))
            return (MISSING, b"") if playlist is None else self._of_items(method, playlist, query)
        # A key may not replace what one holds: that takes its owner's token.
        return (BAD if path.startswith("/Playlists/") else MISSING), b""

    def _of_items(self, method: str, playlist: FakePlaylist, query: Mapping[str, str]) -> tuple[int, bytes]:
        user = plain(query.get("userId", ""))
        if method == "DELETE":
            gone = query["entryIds"].split(",")
            playlist.item_ids = [key for number, key in enumerate(playlist.item_ids) if self._place(number, key) not in gone]
            return DONE, b""
        if not user:
            return BAD, b""
        if playlist.owner != user and not (method == "GET" and playlist.is_public):
            return FORBIDDEN, b""
        if method == "POST":
            self.add(playlist, query["ids"].split(","))
            return DONE, b""
        entries = [
            {"Id": key, "PlaylistItemId": self._place(number, key), "Name": self._library.items[key].name, "Type": "Movie"}
            for number, key in enumerate(playlist.item_ids)
            if key in self._library.items
        ]
        return OK, orjson.dumps({"Items": entries, "TotalRecordCount": len(entries), "StartIndex": 0})

    def _place(self, number: int, key: str) -> str:
        return key if self._major < 12 else guid(f"place {number} {key}")
