"""What a facet's items share, in words a person would use: "Science fiction and horror, 1970s to 1980s"."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# A genre or keyword names a facet that so much of its weight carries.
MIN_GENRE_SHARE = 0.4
MIN_TAG_SHARE = 0.3
MAX_GENRES = 2
# Years say something where most of the weight falls within so many decades.
MAX_DECADES = 2
MOST = 0.8


@dataclass(frozen=True)
class Traits:
    kind: str
    year: int | None
    genres: Sequence[str]
    tags: Sequence[str]


def label_of(item_ids: Sequence[int], weights: Sequence[float], whole: Mapping[str, float], traits: Mapping[int, Traits]) -> str | None:
    """`whole`: `genre_shares` of everything the user likes, against which a facet stands out. None where the items share nothing."""
    known = [(traits[item_id], weight) for item_id, weight in zip(item_ids, weights, strict=True) if item_id in traits]
    words = _genres(known, whole) or _tags(known)
    if not words:
        return None
    label = " and ".join([words[0], *map(lowered, words[1:])])
    if all(one.kind == "series" for one, _ in known):
        label += " series"
    decades = _decades(known)
    return f"{label}, {decades}" if decades else label


def lowered(words: str) -> str:
    """For the middle of a sentence: "TV movie" of "TV Movie"."""
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words.split(" "))


def genre_shares(known: Iterable[tuple[Traits, float]]) -> dict[str, float]:
    """Genre to the share of the weight that carries it, 0..1."""
    shares: dict[str, float] = defaultdict(float)
    total = 0.0
    for one, weight in known:
        total += weight
        for genre in set(one.genres):
            shares[genre] += weight
    return {genre: share / total for genre, share in shares.items()} if total else {}


def _genres(known: Sequence[tuple[Traits, float]], whole: Mapping[str, float]) -> list[str]:
    shares = {genre: share for genre, share in genre_shares(known).items() if share >= MIN_GENRE_SHARE}
    # What the facet has more of than the whole taste does tells it apart from the others.
    apart = {genre: share * share / max(whole.get(genre, share), 1e-6) for genre, share in shares.items()}
    return sorted(apart, key=lambda genre: (-apart[genre], genre))[:MAX_GENRES]


def _tags(known: Sequence[tuple[Traits, float]]) -> list[str]:
    shares = genre_shares((Traits(one.kind, one.year, one.tags, ()), weight) for one, weight in known)
    common = sorted((tag for tag, share in shares.items() if share >= MIN_TAG_SHARE), key=lambda tag: (-shares[tag], tag))
    return [tag[:1].upper() + tag[1:] for tag in common[:1]]


def _decades(known: Sequence[tuple[Traits, float]]) -> str | None:
    by_decade: dict[int, float] = defaultdict(float)
    for one, weight in known:
        if one.year is not None:
            by_decade[one.year // 10 * 10] += weight
    total = sum(weight for _, weight in known)
    for span in range(MAX_DECADES):
        for first in sorted(by_decade):
            inside = sum(weight for decade, weight in by_decade.items() if first <= decade <= first + 10 * span)
            if inside >= MOST * total:
                return f"{first}s" if span == 0 else f"{first}s to {first + 10 * span}s"
    return None
