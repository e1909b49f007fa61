"""A small Emby over HTTP: the made-up Jellyfin, where it differs. It says less than it is asked for, and nothing that is unknown."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from tests.connect.fake_jellyfin.answers import plain, users
from tests.connect.fake_jellyfin.description import description
from tests.connect.fake_jellyfin.library import FakeLibrary, guid
from tests.connect.fake_jellyfin.server import KEY, Answer, FakeJellyfin

# Newer ones send these where they are asked for by name.
WITHHELD = ("ProductionYear", "OfficialRating", "CommunityRating", "RunTimeTicks")
RENAMED = {"GroupItemsIntoCollections": "collapseBoxSetItems"}
WITHHELD_DATA = {"PlayCount": "UserDataPlayCount", "LastPlayedDate": "UserDataLastPlayedDate"}


class FakeEmby(FakeJellyfin):
    kind = "emby"

    def __init__(self, library: FakeLibrary) -> None:
        super().__init__(library, 12, "/emby")
        self.version = "4.8.11.0"
        self.product: str | None = None
        self.lists.folder_in_policy, self.lists.is_id = folder_in_policy, str.isdecimal
        self._description = description("emby")

    def _good(self, path: str, query: dict[str, str], headers: Mapping[str, str], method: str, body: bytes) -> Answer:
        if headers.get("X-Emby-Token") != KEY:
            return Answer(401)
        query = {RENAMED.get(name, name[0].lower() + name[1:]): value for name, value in query.items()}
        if found := re.fullmatch(r"/Users/([^/]+)/Items", path):
            if plain(found[1]) not in self.library.users:
                return Answer(404)
            path, query = "/Items", query | {"userId": found[1]}
        match path:
            case "/System/Info":
                return self._said({"Id": self.id, "ServerName": "Den", "Version": self.version, "ProductName": self.product})
            case "/Users":
                return self._said(users(self.library, query))
            case "/Library/MediaFolders":
                named = [{"Id": key, "Name": name, "CollectionType": kind} for key, (name, kind) in self.library.folders.items()]
                return self._said({"Items": named, "TotalRecordCount": len(named)})
            case "/Items":
                page = self.lists.page(query)
                items = [_fewer(item, query.get("fields", "").split(",")) for item in page["Items"]]
                return self._said({"Items": items, "TotalRecordCount": page["TotalRecordCount"]})
            case _:
                return Answer(404)

    def _said(self, content: Any) -> Answer:
        return Answer(200, orjson.dumps(_without_unknown(content)))


def folder_in_policy(library_id: str) -> str:
    """Not the number that its items name it by."""
    return guid(f"folder {library_id}")


def _fewer(item: dict[str, Any], fields: list[str]) -> dict[str, Any]:
    item = {name: value for name, value in item.items() if name not in WITHHELD or name in fields}
    if "Studios" in item:
        item["Studios"] = [one | {"Id": 5} for one in item["Studios"]]
    if "UserData" in item:
        item["UserData"] = {
            name: value for name, value in item["UserData"].items() if name != "Key" and WITHHELD_DATA.get(name, fields[0]) in fields
        }
    return item


def _without_unknown(content: Any) -> Any:
    if isinstance(content, list):
        return [_without_unknown(one) for one in content]
    if isinstance(content, dict):
        return {name: _without_unknown(value) for name, value in content.items() if value is not None}
    return content


def numbered(library: FakeLibrary) -> FakeLibrary:
    """The same with numbers for ids, but for users."""
    numbers = {key: str(7000 + number) for number, key in enumerate([*library.folders, *library.items])}
    folders = {numbers[key]: folder for key, folder in library.folders.items()}
    items = [
        replace(
            one, id=numbers[one.id], library_id=numbers[one.library_id],
            series_id=one.series_id and numbers[one.series_id], season_id=one.season_id and numbers[one.season_id],
        )
        for one in library.items.values()
    ]  # fmt: skip
    for user in library.users.values():
        user.hidden = {numbers[key] for key in user.hidden}
        user.states = {numbers[key]: state for key, state in user.states.items()}
    collections = {
        str(6000 + number): {numbers[key] for key in films if key in numbers} for number, films in enumerate(library.collections.values())
    }
    return FakeLibrary(folders, {item.id: item for item in items}, library.users, collections)
