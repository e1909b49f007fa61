"""Official ratings of many boards become ages."""

import pytest

from app.connect.parental import parental_age


@pytest.mark.parametrize(
    ("rating", "age"),
    [
        ("G", 0), ("PG", 8), ("PG-13", 13), ("R", 17), ("NC-17", 18), ("X", 18), ("US:PG-13", 13), ("us-r", 17), ("US / NC-17", 18),
        ("TV-Y", 0), ("TV-Y7", 7), ("TV-Y7-FV", 7), ("TV-G", 0), ("TV-PG", 10), ("TV-14", 14), ("tv-ma", 17), ("US-TV-MA", 17),
        ("U", 0), ("12A", 12), ("15", 15), ("18", 18), ("R18", 18), ("gb/15", 15), ("GB-12A", 12), ("IE-15A", 15),
        ("FSK 0", 0), ("FSK 6", 6), ("FSK-16", 16), ("DE-18", 18), ("de/12", 12),
        ("M", 15), ("MA15+", 15), ("MA 15+", 15), ("AU-R18+", 18), ("R 18+", 18),
        ("AL", 0), ("NL-16", 16), ("TP", 0), ("16+", 16), ("0+", 0), ("6", 6), ("KR-12", 12), ("M/12", 12), ("NZ-R16", 16), ("NC16", 16),
        ("  pg-13  ", 13), ("ma  15+", 15),
    ],
)  # fmt: skip
def test_a_known_rating_is_an_age_in_years(rating: str, age: int) -> None:
    assert parental_age(rating) == age


@pytest.mark.parametrize("rating", [None, "", "NR", "Unrated", "Not Rated", "Approved for nobody", "1950", "12345", "16-", "-", "FSK", "²"])
def test_an_unknown_rating_has_no_age(rating: str | None) -> None:
    assert parental_age(rating) is None


@pytest.mark.parametrize("rating", ["A", "IN-A", "in:a"])
def test_a_letter_that_means_adults_only_somewhere_is_not_taken_for_everybody(rating: str) -> None:
    assert parental_age(rating) != 0


@pytest.mark.parametrize(("rating", "age"), [("14A", 14), ("CA-18A", 18), ("16A", 16)])
def test_an_age_for_those_without_an_adult_is_that_age(rating: str, age: int) -> None:
    assert parental_age(rating) == age
