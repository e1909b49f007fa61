"""Made-up rows in the shapes in which others write them."""

from typing import Any

ADA, HARBOUR, ORCHARD, PILOT, SECOND = "ad" * 16, "f1" * 16, "50" * 16, "e1" * 16, "e2" * 16
# 1 January 2026, 20:00.
STARTED = 1767297600


def dashed(id: str) -> str:
    return f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"


def tautulli_film(**more: Any) -> dict[str, Any]:
    return {
        "reference_id": 7, "row_id": 7, "id": 7, "date": STARTED, "started": STARTED, "stopped": STARTED + 5700, "duration": 5400,
        "paused_counter": 300, "user_id": 4711, "user": "ada", "friendly_name": "Ada", "live": 0, "media_type": "movie", "rating_key": 90,
        "parent_rating_key": "", "grandparent_rating_key": "", "full_title": "Salt Harbour", "title": "Salt Harbour", "parent_title": "",
        "grandparent_title": "", "original_title": "", "year": 2019, "media_index": "", "parent_media_index": "",
        "guid": "plex://movie/0123", "percent_complete": 90, "watched_status": 1, "group_count": 1, "group_ids": "7", "state": None,
    } | more  # fmt: skip


def tautulli_episode(**more: Any) -> dict[str, Any]:
    return tautulli_film(
        row_id=8, media_type="episode", rating_key=91, full_title="The Tin Orchard - Pilot", title="Pilot", parent_title="Season 1",
        grandparent_title="The Tin Orchard", year="", media_index=1, parent_media_index=1, guid="plex://episode/0123", duration=1500,
        percent_complete=100,
    ) | more  # fmt: skip


def tautulli(*rows: Any) -> dict[str, Any]:
    data = {"recordsFiltered": len(rows), "recordsTotal": len(rows), "data": list(rows), "draw": 1}
    return {"response": {"result": "success", "message": None, "data": data}}


def jellystat_row(**more: Any) -> dict[str, Any]:
    """The time is when it ended."""
    return {
        "Id": "9d0f", "IsPaused": False, "UserId": ADA, "UserName": "Ada", "NowPlayingItemId": HARBOUR,
        "NowPlayingItemName": "Salt Harbour", "SeasonId": None, "SeriesName": None, "EpisodeId": None, "PlaybackDuration": "5400",
        "ActivityDateInserted": "2026-01-01T21:30:00.000Z", "PlayState": {"IsPaused": False}, "imported": False,
    } | more  # fmt: skip


def jellystat(*rows: Any) -> list[dict[str, Any]]:
    items = [
        {"Id": "99" * 16, "Name": "Gone Song", "Type": "Audio"},
        {"Id": "f9" * 16, "Name": "Two Moons", "Type": "Movie", "ProductionYear": 2010},
    ]
    episodes = [{"Id": "x", "EpisodeId": "e9" * 16, "ParentIndexNumber": 1, "IndexNumber": 2, "Name": "Half: A Story"}]
    return [{"jf_users": []}, {"jf_playback_activity": list(rows)}, {"jf_library_items": items}, {"jf_library_episodes": episodes}]


def session(**more: Any) -> dict[str, Any]:
    return {
        "id": "3a1c", "serverId": 1, "userId": ADA, "itemId": HARBOUR, "userName": "Ada", "itemName": "Salt Harbour", "seriesId": None,
        "seriesName": None, "playDuration": 5400, "startTime": "2026-01-01T20:00:00.000Z", "endTime": "2026-01-01T21:35:00.000Z",
        "runtimeTicks": 60_000_000_000, "percentComplete": 90.5, "completed": True, "isInferred": False, "rawData": {},
    } | more  # fmt: skip


def streamystats(*rows: Any) -> dict[str, Any]:
    return {"exportInfo": {"version": "streamystats-v2", "exportType": "sessions-only"}, "sessions": list(rows), "server": {"id": 1}}


FILM = {"title": "Salt Harbour", "year": 2019, "ids": {"trakt": 1, "slug": "salt-harbour", "imdb": "tt0114709", "tmdb": 862}}
SHOW = {"title": "The Tin Orchard", "year": 2020, "ids": {"trakt": 2, "slug": "the-tin-orchard", "tvdb": 75897, "tmdb": None}}
AT = "2026-01-01T21:30:00.000Z"


def trakt_history() -> list[dict[str, Any]]:
    part = {"season": 1, "number": 2, "title": "Half: A Story", "ids": {"trakt": 3, "tvdb": 9}}
    return [
        {"id": 1, "watched_at": AT, "action": "scrobble", "type": "movie", "movie": FILM},
        {"id": 2, "watched_at": AT, "action": "watch", "type": "episode", "episode": part, "show": SHOW},
    ]


def trakt_watched() -> list[dict[str, Any]]:
    parts = [{"number": number, "plays": 2, "last_watched_at": AT} for number in (1, 2)]
    return [
        {"plays": 3, "last_watched_at": AT, "movie": FILM},
        {"plays": 4, "last_watched_at": AT, "reset_at": None, "show": SHOW, "seasons": [{"number": 1, "episodes": parts}]},
    ]


def trakt_ratings() -> list[dict[str, Any]]:
    return [{"rated_at": AT, "rating": 9, "type": "movie", "movie": FILM}, {"rated_at": AT, "rating": 7, "type": "show", "show": SHOW}]


NETFLIX = """Title,Date
"The Tin Orchard: Season 1: Pilot","1/31/26"
"The Tin Orchard: Season 1: Half: A Story","1/30/26"
"The Tin Orchard: Pilot","1/29/26"
"Salt Harbour","1/2/26"
"Two Moons","1/2/26"
"Nobody Has This","1/1/26"
"""

PLAYBACK_REPORTING = "\n".join("\t".join(row) for row in [
    ("2026-01-01 21:00:00.1234567", ADA, HARBOUR, "Movie", "Salt Harbour", "DirectPlay", "Web", "Couch", "5400"),
    ("2026-01-02 21:00:00.1234567", ADA, "77" * 16, "Episode", "The Tin Orchard - s01e02 - Half: A Story", "Direct", "Web", "TV", "0"),
    ("2026-01-03 21:00:00.1234567", ADA, "78" * 16, "Audio", "A Song", "DirectPlay", "Web", "Couch", "180"),
])  # fmt: skip
