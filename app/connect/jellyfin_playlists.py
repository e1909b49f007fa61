"""Playlists of one user on a Jellyfin, asked for and changed with an API key.

The key may delete anything, media files with it: an id is deleted only where it was just seen to be a playlist of that user.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_items import BARE
from app.connect.lenient import mapping, plain_id
from app.connect.media_client import Parameters
from app.errors import MediaServerUnclear


@dataclass(frozen=True, slots=True)
class PlaylistEntry:
    """`id`: of its place in the playlist; `item_id`: of the film or episode."""

    id: str
    item_id: str


def find_named(client: JellyfinClient, user: str, name: str) -> list[str]:
    """The ids of the user's own playlists of this name. Raises as `JellyfinClient.get`, as do those below."""
    asked = {**_own(user), "recursive": True, "sortBy": "SortName", "sortOrder": "Ascending"}
    found = (item for page in client.pages("/Items", asked) for item in page.items)
    return sorted(key for item in found if _is_own(item, name) and (key := plain_id(item.get("Id"))) is not None)


def is_there(client: JellyfinClient, user: str, playlist: str, name: str) -> bool:
    """Whether this id is still a playlist of this name and of this user."""
    return any(_is_own(item, name) for items in client.by_id([playlist], _own(user)) for item in items)


def read_entries(client: JellyfinClient, user: str, playlist: str) -> list[PlaylistEntry]:
    answer = client.get(f"/Playlists/{playlist}/Items", {"userId": user, "enableImages": False, "enableUserData": False})
    entries = []
    for item in map(mapping, client.items_of(answer)):
        place, key = item.get("PlaylistItemId"), plain_id(item.get("Id"))
        if not isinstance(place, str) or not place or key is None:
            raise MediaServerUnclear("The media server answers a playlist whose entries have no ids.")
        entries.append(PlaylistEntry(place, key))
    return entries


def make_playlist(client: JellyfinClient, user: str, name: str) -> str:
    """An empty one that nobody else sees. Its id."""
    # Unsaid it would be public, and without a media type one for music.
    body = {"Name": name, "UserId": user, "Ids": [], "MediaType": "Video", "IsPublic": False}
    key = plain_id(mapping(client.change("POST", "/Playlists", body=body)).get("Id"))
    if key is None:
        raise MediaServerUnclear("The media server does not say which playlist it made.")
    return key


def add_items(client: JellyfinClient, user: str, playlist: str, item_ids: Sequence[str]) -> None:
    """At its end. Sent twice, 12 has them twice. A series would become all its episodes."""
    client.change("POST", f"/Playlists/{playlist}/Items", {"ids": item_ids, "userId": user})


def remove_entries(client: JellyfinClient, playlist: str, entries: Sequence[PlaylistEntry]) -> None:
    # Without any id the server would be free to choose.
    if entries:
        client.change("DELETE", f"/Playlists/{playlist}/Items", {"entryIds": list(dict.fromkeys(entry.id for entry in entries))})


def delete_playlist(client: JellyfinClient, playlist: str) -> None:
    client.change("DELETE", f"/Items/{playlist}")


def _own(user: str) -> Parameters:
    # Asked as that user, who sees no other's private ones.
    return {**BARE, "userId": user, "includeItemTypes": "Playlist", "fields": "CanDelete"}


def _is_own(item: Any, name: str) -> bool:
    """Of the public ones that others made, a user who is no administrator can delete none."""
    item = mapping(item)
    return item.get("Type") == "Playlist" and item.get("Name") == name and item.get("CanDelete") is True
