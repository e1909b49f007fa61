"""What a made-up Jellyfin answers to each question, as PascalCase bodies."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tests.connect.fake_jellyfin.description import GUID
from tests.connect.fake_jellyfin.library import TICKS_PER_SECOND, FakeItem, FakeLibrary, FakeState, FakeUser, guid

Query = Mapping[str, str]
FILTERS = {
    "IsPlayed": lambda state: state.is_played,
    "IsResumable": lambda state: state.position_seconds > 0,
    "IsFavorite": lambda state: state.is_favourite,
    "Likes": lambda state: state.likes is True,
}
# Neither means what it says: 12 answers all that nobody likes, 10.11 what is liked.
DISLIKES = {10: lambda state: state.likes is True, 12: lambda state: state.likes is not True}
NOTHING = FakeState()


def ticks(at: datetime | None) -> str | None:
    """Times have seven digits of a second."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z") if at else None


def users(library: FakeLibrary, query: Query) -> list[dict[str, Any]]:
    # Every field of a policy is optional in the description; these are all that the real one always sends and that somebody reads.
    usual = {
        "IsAdministrator": False, "IsHidden": False, "IsDisabled": False, "EnableAllFolders": True, "EnabledFolders": [],
        "BlockedTags": [], "AllowedTags": [], "MaxParentalRating": None, "MaxParentalSubRating": None, "BlockUnratedItems": [],
        "BlockedMediaFolders": [], "AuthenticationProviderId": "Default", "PasswordResetProviderId": "Default",
    }  # fmt: skip
    found = [{"Name": one.name, "Id": one.id, "ServerId": "0" * 32, "Policy": usual | one.policy} for one in library.users.values()]
    if "isDisabled" in query:
        found = [one for one in found if str(one["Policy"]["IsDisabled"]).lower() == query["isDisabled"]]  # type: ignore[index]
    return found


def folders(library: FakeLibrary) -> list[dict[str, Any]]:
    return [
        {"Name": name, "Locations": [f"/media/{name}"], "ItemId": key, "RefreshStatus": "Idle"} | ({"CollectionType": kind} if kind else {})
        for key, (name, kind) in library.folders.items()
    ]


def views(library: FakeLibrary) -> dict[str, Any]:
    found = [{"Name": name, "Id": key, "Type": "CollectionFolder"} for key, (name, _) in library.folders.items()]
    return {"Items": found, "TotalRecordCount": len(found), "StartIndex": 0}


class Lists:
    """`/Items`: filtered, sorted and cut as that version of the server does it."""

    def __init__(self, library: FakeLibrary, major: int) -> None:
        self._library, self._major = library, major
        self._filters = FILTERS | {"Dislikes": DISLIKES[major]}
        # A policy names libraries as a Jellyfin does.
        self.folder_in_policy: Callable[[str], str] = str
        self.is_id: Callable[[str], object] = GUID.fullmatch
        # "Group movies into collections", which hides films from the lists of whoever does not say otherwise.
        self.groups_films = True
        self._kept: dict[tuple[Any, ...], list[FakeItem]] = {}
        self._kept_version = -1

    def page(self, query: Query) -> dict[str, Any]:
        user = self._library.users.get(plain(query.get("userId", "")))
        start, limit = int(query.get("startIndex", 0)), int(query.get("limit", 1_000_000))
        found = self._sorted(query, user)
        page = found[start : start + limit]
        if self._major < 12:
            page = [one for one in page if _may_see(user, one)]
        total = len(found) if query.get("enableTotalRecordCount", "true") == "true" else len(page)
        return {"Items": [self._body(one, query, user) for one in page], "TotalRecordCount": total, "StartIndex": start}

    def _sorted(self, query: Query, user: FakeUser | None) -> list[FakeItem]:
        if self._kept_version != self._library.version:
            self._kept, self._kept_version = {}, self._library.version
        key = tuple(sorted((name, value) for name, value in query.items() if name not in ("startIndex", "limit")))
        if key not in self._kept:
            # What is no id is dropped, and where none is left nothing is filtered.
            ids = [plain(one) for one in query.get("ids", "").split(",") if self.is_id(one)]
            items = self._library.items
            among = [items[one] for one in dict.fromkeys(ids) if one in items] if ids else items.values()
            found = [one for one in among if self._fits(one, query, user) and (ids or not self._is_shut(user, one.library_id))]
            if not ids and self._collapses(query, user):
                found = self._collapsed(found)
            found.sort(key=lambda one: self._sort_key(one, query, user), reverse=query.get("sortOrder", "").startswith("Desc"))
            self._kept[key] = found
        return self._kept[key]

    def _fits(self, item: FakeItem, query: Query, user: FakeUser | None) -> bool:
        if item.is_missing and ("Virtual" in query.get("excludeLocationTypes", "") or query.get("isMissing") == "false"):
            return False
        types = query.get("includeItemTypes")
        if types and item.type not in types.split(","):
            return False
        parent = plain(query.get("parentId", ""))
        if parent and item.library_id != parent:
            return False
        if parent and self._major < 12 and query.get("recursive") != "true" and item.type in ("Season", "Episode"):
            return False
        since = query.get("minDateLastSaved") or query.get("minDateLastSavedForUser")
        if since and item.saved_at < datetime.fromisoformat(since):
            return False
        if self._major >= 12 and not _may_see(user, item):
            return False
        state = _state(user, item)
        return all(self._filters[name](state) for name in query.get("filters", "").split(",") if name)

    def _is_shut(self, user: FakeUser | None, library_id: str) -> bool:
        """Whether their policy keeps the library from them: what is asked for by id comes nonetheless, in both versions."""
        if user is None:
            return False
        name, policy = self.folder_in_policy(library_id), user.policy
        is_open = policy.get("EnableAllFolders", True) or name in policy.get("EnabledFolders", [])
        return not is_open or name in policy.get("BlockedMediaFolders", [])

    def _collapses(self, query: Query, user: FakeUser | None) -> bool:
        """Unless told not to: for nobody 12 does, whatever it is set to, and 10.11 does not; for users both do as they are set."""
        if query.get("collapseBoxSetItems") == "false" or query.get("filters"):
            return False
        if "Movie" not in query.get("includeItemTypes", "Movie").split(","):
            return False
        return self._major >= 12 if user is None else self.groups_films

    def _collapsed(self, found: list[FakeItem]) -> list[FakeItem]:
        """Of films that are in a collection, the collection in their place, whatever types were asked for."""
        ids = {one.id for one in found}
        held = {key: films & ids for key, films in self._library.collections.items() if films & ids}
        hidden = set().union(*held.values())
        return [one for one in found if one.id not in hidden] + [FakeItem(key, "BoxSet", "Collection", guid("collections")) for key in held]

    def _sort_key(self, item: FakeItem, query: Query, user: FakeUser | None) -> tuple[Any, ...]:
        match query.get("sortBy", "SortName").split(",")[0]:
            case "DateCreated":
                return item.created_at, item.name
            case "DatePlayed":
                return (played.timestamp() if (played := _state(user, item).played_at) else 0.0,)
            case _:
                return (item.name,)

    def _body(self, item: FakeItem, query: Query, user: FakeUser | None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "Name": item.name, "Id": item.id, "Type": item.type, "ProductionYear": item.year, "OfficialRating": item.official_rating,
            "CommunityRating": 7.5, "LocationType": "Virtual" if item.is_missing else "FileSystem", "MediaType": "Video",
            "ServerId": "0" * 32,
        }  # fmt: skip
        if item.runtime_seconds is not None:
            body["RunTimeTicks"] = item.runtime_seconds * TICKS_PER_SECOND
        if item.series_id is not None:
            body |= {"SeriesId": item.series_id, "SeasonId": item.season_id, "ParentIndexNumber": item.season_number}
        if item.number is not None:
            body["IndexNumber"] = item.number
        if query.get("enableImages") != "false":
            body |= {"ImageTags": {"Primary": f"p{item.id[:6]}"}, "BackdropImageTags": [f"b{item.id[:6]}"]}
        if user is not None and query.get("enableUserData") != "false":
            body["UserData"] = self.user_data(user, item)
        extra = {
            "ProviderIds": item.provider_ids, "Genres": item.genres, "Tags": item.tags, "Overview": item.overview,
            "Studios": [{"Name": "Studio", "Id": "1" * 32}], "OriginalTitle": None, "DateCreated": ticks(item.created_at),
            "ParentId": item.season_id or item.library_id, "Etag": f"{item.saved_at.timestamp():.0f}",
            "People": [{"Name": name, "Id": "2" * 32, "Role": "", "Type": "Actor"} for name in item.people],
        }  # fmt: skip
        return body | {name: extra[name] for name in query.get("fields", "").split(",") if name in extra}

    def user_data(self, user: FakeUser, item: FakeItem) -> dict[str, Any]:
        state = _state(user, item)
        return {
            "PlaybackPositionTicks": state.position_seconds * TICKS_PER_SECOND, "PlayCount": state.n_plays,
            "IsFavorite": state.is_favourite, "Likes": state.likes, "Rating": state.rating, "Played": state.is_played,
            "LastPlayedDate": ticks(state.played_at), "Key": self._library.key_of(item), "ItemId": item.id,
        }  # fmt: skip


def plain(key: str) -> str:
    return key.replace("-", "").lower()


def _state(user: FakeUser | None, item: FakeItem) -> FakeState:
    return NOTHING if user is None else user.states.get(item.id, NOTHING)


def _may_see(user: FakeUser | None, item: FakeItem) -> bool:
    return user is None or item.id not in user.hidden
