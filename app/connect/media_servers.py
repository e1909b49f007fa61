"""The makes of media servers that are read."""

from collections.abc import Sequence

from app.connect.emby import Emby, EmbyClient
from app.connect.jellyfin import Jellyfin
from app.connect.jellyfin_client import JellyfinClient
from app.connect.media_client import PAGE, PAUSES_SECONDS, TIMEOUT_SECONDS
from app.connect.media_server import MediaServer
from app.connect.plex import Guests, Plex
from app.connect.plex_client import PlexClient
from app.types import MediaServerKind


def open_media_server(
    kind: MediaServerKind, url: str, token: str, guests: Guests = "hide", *,
    timeout: float = TIMEOUT_SECONDS, pauses: Sequence[float] = PAUSES_SECONDS, page: int = PAGE,
) -> MediaServer:  # fmt: skip
    """Sends nothing yet. `guests`: what others than its owner see on a Plex.

    Raises BadInput for what is no address or no token.
    """
    match kind:
        case "jellyfin":
            return Jellyfin(JellyfinClient(url, token, timeout=timeout, pauses=pauses, page=page))
        case "emby":
            return Emby(EmbyClient(url, token, timeout=timeout, pauses=pauses, page=page))
        case "plex":
            return Plex(PlexClient(url, token, timeout=timeout, pauses=pauses, page=page), guests)
