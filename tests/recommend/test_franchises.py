"""Which titles are of one series of films, by their names alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.recommend.select import franchise_of

FRANCHISES = [
    ("Alien", "alien"),
    ("Aliens", "aliens"),
    ("Alien 3", "alien"),
    ("Alien: Resurrection", "alien"),
    ("The Godfather", "godfather"),
    ("The Godfather: Part II", "godfather"),
    ("The Godfather Part III", "godfather"),
    ("Godfather, The", "godfather"),
    ("Rocky", "rocky"),
    ("Rocky IV", "rocky"),
    ("The Karate Kid", "karate kid"),
    ("Karate Kid, Part II, The", "karate kid"),
    ("Star Trek: First Contact", "star trek"),
    ("Star Trek II: The Wrath of Khan", "star trek"),
    ("Star Wars: Episode IV - A New Hope", "star wars"),
    ("Star Wars - Episode V", "star wars"),
    ("Kill Bill: Vol. 1", "kill bill"),
    ("Kill Bill Vol. 2", "kill bill"),
    ("Mission: Impossible", "mission"),
    ("Mission: Impossible - Fallout", "mission"),
    ("Toy Story 2", "toy story"),
    ("Doctor Who (2005)", "doctor who"),
    ("Se7en", "se7en"),
    ("12 Angry Men", "12 angry men"),
    ("千と千尋の神隠し", "千と千尋の神隠し"),
    ("Ночной дозор 2", "ночной дозор"),
    ("Ночной дозор", "ночной дозор"),
    ("  Rocky  II ", "rocky"),
    ("", ""),
    (" ", ""),
]


@pytest.mark.parametrize(("name", "franchise"), FRANCHISES)
def test_a_franchise_is_what_its_titles_have_in_common(name: str, franchise: str) -> None:
    assert franchise_of(name) == franchise


NUMBERS = [
    "1917",
    "1922",
    "1941",
    "1984",
    "2010",
    "2012",
    "2001: A Space Odyssey",
    "300",
    "42",
    "47",
    "21",
    "23",
    "9",
    "8",
    "10",
    "11",
    "54",
]


@pytest.mark.parametrize("name", [*NUMBERS, "M", "X", "IV", "The 4", "V", "Π"])
def test_a_title_that_is_only_a_number_is_not_empty(name: str) -> None:
    assert franchise_of(name)


def test_titles_that_are_only_numbers_are_no_franchise() -> None:
    together = {name: [other for other in NUMBERS if other != name and franchise_of(other) == franchise_of(name)] for name in NUMBERS}
    assert {name: others for name, others in together.items() if others} == {}


def test_a_numbered_title_and_its_sequel_are_one_franchise() -> None:
    assert franchise_of("300") == franchise_of("300: Rise of an Empire")
    assert franchise_of("Apollo 13") == franchise_of("Apollo 13 (1995)") != ""
    assert franchise_of("Blade Runner 2049") != ""


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(max_size=40))
def test_any_title_has_a_franchise_unless_it_says_nothing(name: str) -> None:
    franchise = franchise_of(name)
    assert franchise == franchise.strip()
    assert franchise or not any(letter.isalpha() for letter in name.partition("(")[0].partition(":")[0].partition(",")[0])
