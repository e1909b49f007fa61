"""The library of a Jellyfin, as bodies of the API: films, series, seasons and episodes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.connect.jellyfin_client import JellyfinClient
from app.connect.lenient import listed, mapping, moment, plain_id, rating, seconds, within, word, words
from app.connect.media_client import Parameters
from app.connect.media_server import FILMS, SHOWS, Library
from app.connect.states import PARTS, TITLES
from app.errors import MediaServerUnclear

KINDS = {"Movie": "movie", "Series": "series", "Season": "season", "Episode": "episode"}
# One without a kind holds both.
HELD = {"movies": FILMS, "tvshows": SHOWS, "mixed": TITLES + PARTS, None: TITLES + PARTS}

# A series' episodes are described by nothing but their numbers: their texts would be most of what is sent.
TITLE_FIELDS = ("ProviderIds", "Genres", "Tags", "Studios", "Overview", "OriginalTitle", "DateCreated", "ParentId", "Etag")
PART_FIELDS = ("ProviderIds", "DateCreated", "ParentId", "Etag")
# Of any list. Missing episodes are virtual. Unless told otherwise, a collection stands in the place of its films: Jellyfin 12 does so
# for an API key whatever it is set to, and counts them so.
SINGLE: Parameters = {"recursive": True, "excludeLocationTypes": "Virtual", "collapseBoxSetItems": False}
# In the order that they were added, so that what comes meanwhile comes last.
LISTED: Parameters = {**SINGLE, "enableUserData": False, "sortBy": "DateCreated,SortName", "sortOrder": "Ascending"}
IMAGES: Parameters = {"enableImageTypes": "Primary,Backdrop,Thumb", "imageTypeLimit": 1}
BARE: Parameters = {"enableUserData": False, "enableImages": False}


def read_libraries(client: JellyfinClient) -> list[Library]:
    """Those that hold films or series. Raises as `JellyfinClient.get`."""
    answer = client.get("/Library/VirtualFolders")
    if not isinstance(answer, list):
        raise MediaServerUnclear("The media server answers libraries that are no list.")
    found = [
        (plain_id(one.get("ItemId")), word(one.get("Name"), 512), word(one.get("CollectionType"), 512)) for one in map(mapping, answer)
    ]
    return [Library(key, name or "?", HELD[kind]) for key, name, kind in found if key is not None and kind in HELD]


def count_items(client: JellyfinClient, library: Library, kind: str) -> int:
    """How many of this type the library holds."""
    asked = {**LISTED, **BARE, "parentId": library.id, "includeItemTypes": kind}
    return client.count("/Items", asked)


def read_items(client: JellyfinClient, library: Library, saved_since: datetime | None) -> Iterator[list[dict[str, Any]]]:
    """Bodies page by page, titles first; only what was saved since then, where that is given. Raises as `JellyfinClient.get`."""
    since: Parameters = {} if saved_since is None else saved_after(saved_since)
    for kinds, fields in ((TITLES, TITLE_FIELDS), (PARTS, PART_FIELDS)):
        types = [one for one in library.types if one in kinds]
        if types:
            asked = {**LISTED, **IMAGES, **since, "parentId": library.id, "includeItemTypes": types, "fields": fields}
            for page in client.pages("/Items", asked):
                yield _bodies(client, library, page.items)


def saved_after(moment: datetime) -> Parameters:
    """The database may tell a time in another zone."""
    return {"minDateLastSaved": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"}


def read_items_by_id(client: JellyfinClient, library: Library, ids: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
    """Those of these that are there, some at a time."""
    for items in client.by_id(ids, {**IMAGES, "enableUserData": False, "includeItemTypes": TITLES + PARTS, "fields": TITLE_FIELDS}):
        yield _bodies(client, library, items)


def read_ids(client: JellyfinClient, library: Library) -> tuple[set[str], bool]:
    """The ids of all that the library holds, and whether they are as many as the server counts, before and after."""
    ids: set[str] = set()
    asked = {**LISTED, **BARE, "parentId": library.id, "includeItemTypes": list(library.types)}
    total = 0
    for page in client.pages("/Items", asked):
        ids |= {key for item in page.items if (key := _id_of(item)) is not None}
        total = page.total
    return ids, len(ids) == total == client.count("/Items", asked)


def _bodies(client: JellyfinClient, library: Library, items: Sequence[Any]) -> list[dict[str, Any]]:
    known = [item for item in items if _id_of(item) is not None and item.get("Type") in TITLES + PARTS]
    people = _people(client, [str(_id_of(item)) for item in known if item["Type"] in TITLES])
    return [item_body(item, library.id, people.get(str(_id_of(item)), [])) for item in known]


def _people(client: JellyfinClient, ids: Sequence[str]) -> dict[str, list[Any]]:
    """Asked for by themselves: a title may have hundreds."""
    asked: Parameters = {**BARE, "fields": "People", "includeItemTypes": TITLES}
    return {str(_id_of(item)): listed(item.get("People")) for items in client.by_id(ids, asked) for item in items}


def item_body(item: Mapping[str, Any], library_id: str, people: Sequence[Any]) -> dict[str, Any]:
    """The body of the API that this BaseItemDto means. What it does not say stays unknown; what can't be is left out."""
    kind = KINDS[item["Type"]]
    key = str(_id_of(item))
    added_at = moment(item.get("DateCreated"))
    body: dict[str, Any] = {
        "item_id": key, "type": kind, "name": word(item.get("Name"), 512) or "?", "library_id": library_id,
        "added_at": None if added_at is None else added_at.isoformat(), "runtime_seconds": seconds(item.get("RunTimeTicks")),
        "official_rating": word(item.get("OfficialRating"), 512), "images": _images(item),
        "provider_ids": provider_ids(item.get("ProviderIds")),
    }  # fmt: skip
    if kind in ("movie", "series"):
        return body | {
            "original_name": word(item.get("OriginalTitle"), 512), "overview": word(item.get("Overview"), 20_000),
            "year": within(item.get("ProductionYear"), 1, 9999), "community_rating": rating(item.get("CommunityRating")),
            "genres": words(item.get("Genres"), 200), "tags": words(item.get("Tags"), 1000),
            "studios": words([one.get("Name") for one in map(mapping, listed(item.get("Studios")))], 200),
            "people": _named(people),
        }  # fmt: skip
    number = within(item.get("IndexNumber"), 0, 2**31 - 1)
    # A part whose series the server does not know yet stands alone until it does.
    body["series_id"] = plain_id(item.get("SeriesId")) or key
    if kind == "season":
        return body | {"season_number": number}
    return body | {"season_number": within(item.get("ParentIndexNumber"), 0, 2**31 - 1), "episode_number": number}


def _id_of(item: Any) -> str | None:
    return plain_id(item.get("Id")) if isinstance(item, dict) else None


def _named(people: Sequence[Any]) -> list[dict[str, str]]:
    named = [(word(one.get("Name"), 512), word(one.get("Type"), 512)) for one in map(mapping, people)]
    return [{"name": name, "kind": (kind or "unknown").lower()} for name, kind in named if name][:1000]


def provider_ids(value: Any) -> dict[str, str]:
    given = {str(name).lower(): key for name, key in mapping(value).items()}
    return {name: key[:64].replace("\x00", "") for name in ("tmdb", "imdb", "tvdb") if isinstance(key := given.get(name), str)}


def _images(item: Mapping[str, Any]) -> dict[str, str]:
    """The tags that the media server's own addresses of images take."""
    found = {name.lower(): tag for name, tag in mapping(item.get("ImageTags")).items()}
    if backdrops := listed(item.get("BackdropImageTags")):
        found["backdrop"] = backdrops[0]
    read = {word(name, 256): word(tag, 512) for name, tag in list(found.items())[:50]}
    return {name: tag for name, tag in read.items() if name and tag}
