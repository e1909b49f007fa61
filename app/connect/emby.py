"""An Emby: a Jellyfin in most of what it answers, asked by its own addresses.

Its items have numbers for ids, and its users 32 hex. What a user sees Emby alone knows: of a policy nothing is taken but whether it has
limits, as its libraries are named by other ids than its items are, and its tags may block or let through.
"""

from collections.abc import Iterator
from dataclasses import replace

from app.connect.jellyfin import Jellyfin
from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_items import HELD
from app.connect.jellyfin_server import count_played
from app.connect.jellyfin_users import LIMITS, read_users
from app.connect.lenient import mapping, plain_id, word
from app.connect.media_client import Parameters
from app.connect.media_server import Found, HistoryPage, Library, MediaUser, ServerInfo
from app.errors import MediaServerRefused, MediaServerUnclear

# What Jellyfin sends unasked.
FIELDS = (
    "ProviderIds", "ProductionYear", "OfficialRating", "CommunityRating", "RunTimeTicks", "UserDataPlayCount", "UserDataLastPlayedDate",
)  # fmt: skip
RENAMED = {"collapseBoxSetItems": "GroupItemsIntoCollections"}
EMBY_LIMITS = (*LIMITS, "ExcludedSubFolders", "IncludeTags", "IsTagBlockingModeInclusive", "AllowTagOrRating")


class EmbyClient(JellyfinClient):
    product = "an Emby"
    # Emby does not ask whose token an administrator's is: its lists are those of a key.
    key_help = "Make an API key in Emby (Settings, Advanced, API Keys), or take the token of an administrator."

    def headers(self, token: str) -> dict[str, str]:
        return {"X-Emby-Token": token}

    def asked(self, path: str, parameters: Parameters) -> tuple[str, Parameters]:
        # Emby always counts, and does not know this parameter.
        asked = {
            RENAMED.get(name, name[0].upper() + name[1:]): value for name, value in parameters.items() if name != "enableTotalRecordCount"
        }
        if path == "/Items":
            fields = asked.get("Fields", ())
            asked["Fields"] = [*([fields] if isinstance(fields, str) else fields), *FIELDS]  # type: ignore[misc]
            user = asked.pop("UserId", None)
            path = path if user is None else f"/Users/{user}/Items"
        # Some people enter the address with `/emby`, with which every path begins.
        return ("" if self.url.endswith("/emby") else "/emby") + path, asked


class Emby(Jellyfin):
    source, product = "emby", "Emby"

    def info(self) -> ServerInfo:
        answer = mapping(self.client.get("/System/Info"))
        key = plain_id(answer.get("Id"))
        if key is None:
            raise MediaServerUnclear(f"{self.url} does not say which server it is. Is this the address of an Emby?")
        if "Jellyfin" in str(answer.get("ProductName")):
            raise MediaServerRefused("This is a Jellyfin. `palate connect jellyfin` reads it.")
        return ServerInfo(key, word(answer.get("ServerName"), 512) or "Emby", str(answer.get("Version") or ""))

    def look_around(self) -> Found:
        libraries = [(one.name, kind, self.count_items(one, kind)) for one in self.libraries() for kind in one.types]
        users = [(str(user.body["name"]), count_played(self.client, user.id)) for user in self.users() if not user.is_disabled]
        return Found(libraries, users, [])

    def libraries(self) -> list[Library]:
        """As folders of media, which older and newer ones list at the same address."""
        found: list[Library] = []
        for one in map(mapping, self.client.items_of(self.client.get("/Library/MediaFolders"))):
            key, kind = plain_id(one.get("Id")), word(one.get("CollectionType"), 512)
            if key is not None and kind in HELD:
                found.append(Library(key, word(one.get("Name"), 512) or "?", HELD[kind]))
        return found

    def users(self) -> list[MediaUser]:
        users = read_users(self.client, EMBY_LIMITS)
        return [replace(user, body=user.body | {"library_ids": None, "blocked_tags": []}) for user in users]

    def history(self, known_row: int | None) -> Iterator[HistoryPage]:  # noqa: ARG002  # no plugin of an Emby is read
        return iter(())
