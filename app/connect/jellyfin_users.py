"""Who uses a Jellyfin, under which policy, and which titles it shows them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.connect.jellyfin_client import JellyfinClient
from app.connect.jellyfin_items import BARE, LISTED, saved_after
from app.connect.lenient import listed, mapping, plain_id, word, words
from app.connect.media_server import MediaUser
from app.connect.states import TITLES
from app.errors import MediaServerUnclear

# Of a policy, all that says what somebody sees.
LIMITS = (
    "EnableAllFolders", "EnabledFolders", "BlockedMediaFolders", "BlockedTags", "AllowedTags",
    "MaxParentalRating", "MaxParentalSubRating", "BlockUnratedItems",
)  # fmt: skip


def read_users(client: JellyfinClient, limits: Sequence[str] = LIMITS) -> list[MediaUser]:
    """Raises as `JellyfinClient.get`, and MediaServerUnclear where one can't be read: those not in the list are taken to be gone."""
    answer = client.get("/Users")
    if not isinstance(answer, list):
        raise MediaServerUnclear("The media server answers users that are no list.")
    if any(plain_id(mapping(one).get("Id")) is None for one in answer):
        raise MediaServerUnclear("The media server answers a user without an id.")
    return [user_of(one, limits) for one in answer]


def user_of(user: Mapping[str, Any], names: Sequence[str] = LIMITS) -> MediaUser:
    """What this UserDto means.

    Its libraries and blocked tags hold at once; what its age limit lets through the media server alone knows, and is asked.
    """
    policy = mapping(user.get("Policy"))
    limits = {name: policy.get(name) for name in names}
    sees_all = limits["EnableAllFolders"] is not False
    folders = [key for one in listed(limits["EnabledFolders"]) if (key := plain_id(one)) is not None]
    key = str(plain_id(user.get("Id")))
    body = {
        "user_id": key,
        "name": word(user.get("Name"), 512) or key,
        "is_disabled": policy.get("IsDisabled") is True,
        "library_ids": None if sees_all else folders,
        "blocked_tags": words(limits["BlockedTags"], 1000),
    }
    is_unlimited = sees_all and not any(value for name, value in limits.items() if name not in ("EnableAllFolders", "EnabledFolders"))
    # An age limit of 0 is one.
    is_unlimited = is_unlimited and limits["MaxParentalRating"] is None
    said = json.dumps(limits, sort_keys=True)
    is_administrator = policy.get("IsAdministrator") is True
    return MediaUser(
        key, body, body["is_disabled"] is True, is_administrator, is_unlimited, hashlib.sha256(said.encode()).hexdigest()
    )  # fmt: skip


def read_saved_titles(client: JellyfinClient, user: str, saved_since: datetime) -> set[str]:
    """Those saved since then that the server lists for the user. By id it would answer those of libraries that are kept from them, too."""
    asked = {**LISTED, **BARE, **saved_after(saved_since), "userId": user, "includeItemTypes": TITLES}
    ids = [plain_id(mapping(item).get("Id")) for page in client.pages("/Items", asked) for item in page.items]
    return {key for key in ids if key is not None}


def visible_among(client: JellyfinClient, user: str, ids: Sequence[str]) -> set[str]:
    """Those of these titles that the server shows a user whom no policy limits: it does not look whether a library is kept from them."""
    asked = {**BARE, "userId": user, "includeItemTypes": TITLES}
    return {str(plain_id(item["Id"])) for items in client.by_id(ids, asked) for item in items}
