"""Search: by meaning and by title together."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.db import Connection, spaces
from app.db.asker import GivenTaste, find_nobody
from app.db.question import Question
from app.db.retrieval import retrieve
from app.db.searches import Search
from app.learn.centring import centred
from app.recommend.context import find_context
from app.recommend.explain import sources_of
from app.recommend.query_encoder import QueryEncoder
from app.types import Degraded, Filters, Server, SlateItem, Space, SpaceKind

MAX_WORDS = 12

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Found:
    """`degraded` says why nothing was searched by meaning, where it was not."""

    items: list[SlateItem]
    degraded: tuple[Degraded, ...]


def text_space(connection: Connection, server: Server) -> Space | None:
    return spaces.live_space(connection, server.id, "text")


def meaning_of(encoder: QueryEncoder, space: Space | None, query: str) -> Vector | None:
    """The query in the space, centred as its items are; None while the encoder starts or where it has another model."""
    if space is None or space.centre is None:
        return None
    raw = encoder.encode(query, space.model_name, space.model_digest)
    return None if raw is None else centred(raw[None], np.array(space.centre, dtype=np.float32))[0][0]


def find(
    connection: Connection, server: Server, user: str | None, query: str, space: Space | None, meaning: Vector | None, *,
    limit: int, include_seen: bool, now: datetime, kind: Literal["movie", "series"] | None = None,
) -> Found:  # fmt: skip
    """What fits the words of the title or what they mean, each list's places fused. Raises UnknownUser and UserDisabled."""
    asker = find_nobody(connection, server.id) if user is None else find_context(connection, server, user, None, now).asker
    degraded: tuple[Degraded, ...] = () if asker.text_fault is None else (asker.text_fault,)
    words = title_words(query)
    if not words["patterns"]:
        return Found([], ())
    given: dict[SpaceKind, GivenTaste] | None = None
    if asker.space is not None:
        if meaning is None or space is None or space.id != asker.space.id:
            # Another space went live since the query was encoded, or the encoder is not there yet.
            degraded = (*degraded, "no_query_vector")
        else:
            given = {"text": GivenTaste([meaning])}
    search: Search = "title"
    if given is not None and asker.space is not None:
        search = "near and title" if asker.space.is_indexed else "exact and title"
    question = Question(
        asker, Filters(kind=kind, include_seen=include_seen), search, now, explain=False, given=given, words=words
    )  # fmt: skip
    candidates = retrieve(connection, server, question, first=0, last=limit)
    if search == "near and title" and len(candidates) < limit:
        candidates = retrieve(connection, server, question.exactly(), first=0, last=limit)
    items = [
        SlateItem(one, rank, one.score, sources_of(search, one), "Fits by its title" if one.is_titled else "Fits what you describe")
        for rank, one in enumerate(candidates, start=1)
    ]
    return Found(items, degraded)


def title_words(query: str) -> dict[str, Any]:
    """What the title search binds: LIKE patterns over names without case and accents."""
    folded = fold(query)
    words = [_escaped(word) for word in folded.split()[:MAX_WORDS]]
    whole = _escaped(folded)
    return {
        "folded": folded,
        "whole_then_original": f"{whole} / %",
        "beginning": f"{whole}%",
        "word_beginning": f"% {whole}%",
        "patterns": [f"%{word}%" for word in words],
    }


def fold(query: str) -> str:
    """As the items' search keys are: lower case, decomposed, without combining marks."""
    decomposed = unicodedata.normalize("NFKD", query.lower())
    return " ".join("".join(mark for mark in decomposed if not "\u0300" <= mark <= "\u036f").split())


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
