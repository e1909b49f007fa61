"""What a facet is called."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.taste.labels import Traits, genre_shares, label_of


def title(*genres: str, kind: str = "movie", year: int | None = None, tags: Sequence[str] = ()) -> Traits:
    return Traits(kind, year, genres, tags)


def label(*titles: Traits, weights: Sequence[float] | None = None, whole: Mapping[str, float] | None = None) -> str | None:
    ids = list(range(len(titles)))
    return label_of(ids, [1.0] * len(titles) if weights is None else weights, whole or {}, dict(zip(ids, titles, strict=True)))


def test_a_genre_that_all_share_is_the_name() -> None:
    assert label(*[title("Horror")] * 4) == "Horror"


def test_two_genres_are_joined_and_the_second_is_in_lower_case() -> None:
    assert label(*[title("Science Fiction", "Horror")] * 4, whole={"Science Fiction": 0.2, "Horror": 0.9}) == "Science Fiction and horror"


def test_a_third_genre_is_left_out() -> None:
    assert label(*[title("Crime", "Drama", "Thriller")] * 4) == "Crime and drama"


def test_a_genre_of_few_says_nothing() -> None:
    assert label(title("Horror", "Comedy"), title("Horror"), title("Horror"), title("Horror")) == "Horror"


def test_genres_count_by_weight() -> None:
    titles = [title("Western"), title("Musical"), title("Musical"), title("Musical")]
    assert label(*titles) == "Musical"
    assert label(*titles, weights=[9.0, 1.0, 1.0, 1.0]) == "Western"


def test_what_sets_the_facet_apart_comes_first() -> None:
    titles = [title("Drama", "War")] * 4
    assert label(*titles, whole={"Drama": 0.9, "War": 0.2}) == "War and drama"
    assert label(*titles, whole={"Drama": 0.2, "War": 0.9}) == "Drama and war"


def test_a_genre_said_twice_of_a_title_counts_once() -> None:
    assert genre_shares([(title("Horror", "Horror"), 1.0), (title("Comedy"), 1.0)]) == {"Horror": 0.5, "Comedy": 0.5}


@pytest.mark.parametrize(
    ("years", "expected"),
    [
        ([1971, 1975, 1979], "Horror, 1970s"),
        ([1971, 1985, 1989], "Horror, 1970s to 1980s"),
        ([1970, 1979, 1980], "Horror, 1970s to 1980s"),
        ([1951, 1975, 1999], "Horror"),
        ([1975, 1975, 1975, 1975, 2010], "Horror, 1970s"),
        ([1999, 2000, 2009], "Horror, 1990s to 2000s"),
        ([2000, 2009, 2001], "Horror, 2000s"),
        ([None, None, None], "Horror"),
        ([1975, 1976, 1977, 1978, None], "Horror, 1970s"),
    ],
)
def test_decades_are_named_where_most_fall_into_one_or_two(years: list[int | None], expected: str) -> None:
    assert label(*[title("Horror", year=year) for year in years]) == expected


def test_the_year_of_one_speaks_for_no_others() -> None:
    """Most of the weight must fall into the decade, not most of what has a year."""
    assert label(title("Horror", year=1975), *[title("Horror")] * 9) == "Horror"


def test_where_all_are_series_it_says_so() -> None:
    assert label(*[title("Crime", kind="series", year=2014)] * 4) == "Crime series, 2010s"
    assert label(*[title("Crime", "Drama", kind="series")] * 4) == "Crime and drama series"
    assert label(*[title("Crime", kind="series")] * 3, title("Crime")) == "Crime"


def test_without_a_common_genre_a_common_tag_is_the_name() -> None:
    titles = [title("Horror", tags=["time travel"]), title("Comedy", tags=["time travel"]), title("Western", tags=["horses"])]
    assert label(*titles) == "Time travel"
    assert label(*[title(tags=["heist"], year=1995)] * 3) == "Heist, 1990s"


def test_of_two_common_tags_the_commoner_is_the_name() -> None:
    assert label(title(tags=["space", "robots"]), title(tags=["robots"]), title(tags=["robots", "space"])) == "Robots"


def test_a_common_genre_goes_before_any_tag() -> None:
    assert label(*[title("Horror", tags=["vampires"])] * 3) == "Horror"


@pytest.mark.parametrize(
    "titles",
    [
        [],
        [title()] * 4,
        [title(year=1975)] * 4,
        [title("Horror"), title("Comedy"), title("Western")],
        [title(tags=["a"]), title(tags=["b"]), title(tags=["c"]), title(tags=["d"])],
        [title(kind="series")] * 4,
    ],
)
def test_items_that_share_nothing_have_no_name(titles: list[Traits]) -> None:
    assert label(*titles) is None


def test_items_of_which_nothing_is_known_are_passed_over() -> None:
    assert label_of([1, 2, 3], [9.0, 1.0, 1.0], {}, {2: title("Horror"), 3: title("Horror")}) == "Horror"
    assert label_of([1, 2], [1.0, 1.0], {}, {}) is None


def test_an_acronym_keeps_its_case() -> None:
    titles = [title("TV Movie", "Drama")] * 4
    assert label(*titles, whole={"TV Movie": 0.1, "Drama": 0.9}) == "TV Movie and drama"
    assert label(*[title("Drama", "LGBTQ")] * 4) == "Drama and LGBTQ"


def test_an_acronym_within_the_second_genre_keeps_its_case() -> None:
    assert str(label(*[title("Drama", "TV Movie")] * 4)).startswith("Drama and TV ")


def test_an_acronym_in_a_tag_keeps_its_case() -> None:
    assert label(*[title(tags=["FBI agent"])] * 4) == "FBI agent"


SOME: list[dict[str, Any]] = [{"weights": [1.0, 1.0, 1.0]}, {"weights": [1e-9, 1e-9, 1e-9]}, {"weights": [1e9, 1e9, 1e9]}]


@pytest.mark.parametrize("more", SOME)
def test_the_scale_of_weights_is_no_matter(more: dict[str, Any]) -> None:
    assert label(*[title("Horror", year=1975)] * 3, **more) == "Horror, 1970s"


def test_equal_genres_are_named_by_the_alphabet_so_that_a_name_stays() -> None:
    assert label(*[title("Western", "Comedy")] * 4) == label(*[title("Comedy", "Western")] * 4) == "Comedy and western"
