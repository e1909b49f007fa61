"""What a Jellyfin says of itself."""

from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_items import BARE, LISTED, count_items, read_libraries
from app.connect.jellyfin_users import read_users
from app.connect.lenient import plain_id
from app.connect.media_server import Found, ServerInfo
from app.connect.states import PLAYABLE
from app.errors import MediaServerRefused, MediaServerUnclear

# What each brings that the rest can't.
PLUGINS = {
    "Webhook": "Without it, what is marked or rated counts only after the next sync.",
    "Playback Reporting": "Without it, how long anybody watched before now is not known.",
}
OLDEST = (10, 11)


def read_info(client: JellyfinClient) -> ServerInfo:
    """Also the check of the token.

    Raises as `JellyfinClient.get`, and MediaServerRefused for a version older than 10.11 and for a token of somebody.
    """
    answer = client.get("/System/Info")
    key = plain_id(answer.get("Id")) if isinstance(answer, dict) else None
    if key is None:
        raise MediaServerUnclear(f"{client.url} does not say which server it is. Is this the address of a Jellyfin?")
    version = str(answer.get("Version") or "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if len(numbers) == 2 and numbers < OLDEST:
        raise MediaServerRefused(f"This Jellyfin is {version}; Palate reads 10.11 and newer.")
    _check_is_key(client)
    return ServerInfo(key, str(answer.get("ServerName") or "Jellyfin"), version)


def _check_is_key(client: JellyfinClient) -> None:
    """With a user's token lists hold what that user sees, be they an administrator: what is kept from them would be taken to be gone."""
    try:
        client.get("/Users/Me")
    except MediaServerRefused:
        # A key is nobody.
        return
    raise MediaServerRefused(
        f"This is a user's token, which tells what that user sees, not all that {client.url} holds."
        f" {client.key_help} Then run `palate connect` again."
    )


def look_around(client: JellyfinClient) -> Found:
    """Counts alone, a request each. Raises as `JellyfinClient.get`."""
    libraries = [(library.name, kind, count_items(client, library, kind)) for library in read_libraries(client) for kind in library.types]
    users = [(str(user.body["name"]), count_played(client, user.id)) for user in read_users(client) if not user.is_disabled]
    plugins = client.get("/Plugins")
    here = {str(one.get("Name")).casefold() for one in plugins if isinstance(one, dict)} if isinstance(plugins, list) else set()
    return Found(libraries, users, [name for name in PLUGINS if name.casefold() not in here])


def count_played(client: JellyfinClient, user: str) -> int:
    asked = {**LISTED, **BARE, "userId": user, "includeItemTypes": PLAYABLE, "filters": "IsPlayed"}
    return client.count("/Items", asked)
