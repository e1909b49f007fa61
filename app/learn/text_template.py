"""The text that stands for an item in a text space."""

from collections.abc import Mapping
from typing import Any

# Raised when the template says something else about the same item: every text space is then built anew.
VERSION = 1

# MiniLM reads 256 tokens; what an item has most of comes last, so that it is what gets cut.
MAX_TAGS = 20
MAX_PEOPLE = 8
KINDS = {"movie": "Film", "series": "Television series"}


def item_text(body: Mapping[str, Any]) -> str:
    """`body` is an item as POST /ingest/items takes it: name, original name, year, kind, genres, tags, people, overview."""
    name = body["name"]
    if body.get("original_name") and body["original_name"] != name:
        name = f"{name} ({body['original_name']})"
    kind = KINDS.get(body["type"], body["type"])
    released = f", {body['year']}" if body.get("year") else ""
    lines = [f"{name}. {kind}{released}."]
    if body.get("genres"):
        lines.append(f"Genres: {', '.join(body['genres'])}.")
    if body.get("tags"):
        lines.append(f"About: {', '.join(body['tags'][:MAX_TAGS])}.")
    if body.get("people"):
        lines.append(f"With: {', '.join(person['name'] for person in body['people'][:MAX_PEOPLE])}.")
    if body.get("overview"):
        lines.append(body["overview"])
    return "\n".join(lines)
