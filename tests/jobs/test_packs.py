"""A pack from the ratings it is made of to the answer on somebody else's server, and what it leaves as it was."""

import dataclasses
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from app.connect.pack import Pack, write_pack
from app.db import Engine
from app.errors import BadInput, NothingToLearn
from app.types import Server, unseen
from jobs.learn_collab import learn_collab
from jobs.packs import build_from_server, matched
from tests.db.household import film, user
from tests.jobs.films import FEW, N_FILMS, N_RATED, N_RATERS, Home, tmdb


def test_one_person_with_three_films_is_told_what_comes_next(home: Home, pack: Pack) -> None:
    assert "collab" not in home.ask().items[0].sources
    home.install(pack)
    slate = home.ask()
    assert [item.candidate.external_id for item in slate.items[:3]] == ["f13", "f14", "f15"]
    assert "collab" in slate.items[0].sources
    assert slate.source == "personal"
    assert "f12" in {reason.item_id for reason in slate.items[0].candidate.based_on}


def test_the_coverage_says_what_is_known_of_which_part(home: Home, pack: Pack) -> None:
    shares = {one.part: one for one in home.install(pack).coverage}
    assert dataclasses.astuple(shares["all"])[1:] == (N_FILMS + 1, N_FILMS, 3, 3, 3, 3)
    assert dataclasses.astuple(shares["series"])[1:] == (1, 0, 0, 0, 0, 0)
    assert dataclasses.astuple(shares["movie, 1970s"])[1:] == (10, 10, 3, 3, 3, 3)
    assert set(shares) == {"all", "movie", *(f"movie, {decade}s" for decade in range(1960, 2010, 10)), "series", "series, no year"}


def test_a_pack_names_items_and_nobody(pack: Pack) -> None:
    card = pack.card
    assert (card.n_items, card.n_users, card.n_events, card.window) == (N_FILMS, N_RATERS, N_RATERS * N_RATED, "2000 to 2001")
    assert card.rank == 40
    assert card.metrics["ndcg@10"] > 0.5
    assert "Harper and Konstan" in card.licence
    assert ["movie:tmdb:5001", "movie:imdb:tt0009001"] in pack.keys
    assert ["movie:imdb:tt0009002"] in pack.keys
    assert set(vars(pack)) == {"card", "keys", "history", "target", "n_events"}


def test_installing_twice_is_as_installing_once_and_leaves_nothing_behind(home: Home, pack: Pack) -> None:
    home.install(pack)
    first = home.names()
    for _ in range(3):
        home.install(pack)
    assert home.names() == first
    assert home.spaces() == [("candidate", "pack"), ("candidate", "pack"), ("kept", "next-item"), ("live", "next-item")]


def test_a_pack_that_knows_next_to_nothing_here_is_refused_and_nothing_changes(
    make_server: Callable[..., Server], engine: Engine, now: datetime, pack: Pack
) -> None:
    home = Home(engine, make_server(), now)
    home.install(pack)
    before = home.state()
    stranger = dataclasses.replace(pack, keys=[[f"movie:tmdb:9{number:05}"] for number in range(len(pack.keys))])
    with pytest.raises(BadInput, match=f"knows 0 of the {N_FILMS + 1} titles"):
        home.install(stranger)
    assert home.state() == before


def test_another_servers_rows_stay_as_they_are(
    make_server: Callable[..., Server], engine: Engine, now: datetime, home: Home, pack: Pack
) -> None:
    other = Home(engine, make_server(), now)
    other.install(pack)
    before, answer = other.state(), other.names()
    home.install(pack)
    assert other.state() == before
    assert other.names() == answer


def test_the_strongest_id_decides_which_item_it_is(home: Home, pack: Pack) -> None:
    home.house.items(film("double", provider_ids={"tmdb": tmdb(3), "imdb": "tt0009008"}))
    with home.engine.begin() as connection:
        from app.db.packs import read_titles

        titles = read_titles(connection, home.server.id)
    rows = matched(titles, pack)
    [double] = [
        row for title, row in zip(titles, rows.tolist(), strict=True) if "movie:imdb:tt0009008" in title.keys and len(title.keys) > 1
    ]
    assert "movie:tmdb:5003" in pack.keys[double]


def test_what_is_watched_here_is_blended_in_as_it_grows(home: Home, pack: Pack, engine: Engine) -> None:
    home.install(pack)
    alone = home.state()
    assert home.names()[0] == "f13"
    # Here everybody watches backwards.
    people = [f"p{number}" for number in range(24)]
    home.house.users(*(user(who) for who in people))
    home.watch(*((who, (number * 5 - step) % N_FILMS + 1, 40 - step) for number, who in enumerate(people) for step in range(20)))
    home.watch(("ana", 30, 0.9))
    learned = learn_collab(engine, home.server, home.now, unseen, parameters=FEW)
    assert learned.n_events > 400
    [live] = [row for row in home.state() if row[:2] == ("collab", "live")]
    [before] = [row for row in alone if row[:2] == ("collab", "live")]
    assert live[3] == 2 * before[3]
    assert float(live[4]) > float(before[4])
    # Both ways are offered, where the pack alone knew one.
    assert {"f29", "f31"} <= {item.candidate.external_id for item in home.ask(limit=8).items}
    assert ("candidate", "pack") in home.spaces()


def test_a_film_added_later_is_known_once_the_pack_is_installed_again(
    engine: Engine, make_server: Callable[..., Server], now: datetime, pack: Pack
) -> None:
    home = Home(engine, make_server(), now, n_films=12)
    home.install(pack)
    home.house.items(film("new", runtime_seconds=6000, provider_ids={"tmdb": tmdb(13)}))
    home.install(pack)
    assert home.names()[0] == "new"


def test_a_pack_from_a_server_has_no_user_and_nothing_that_one_person_alone_watched(home: Home, tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(NothingToLearn, match="more than one person"):
        build_from_server(engine, home.server, unseen)
    people = [f"somebody-{number}" for number in range(12)]
    home.house.users(*(user(who) for who in people))
    home.watch(*((who, (number * 3 + step) % 35 + 1, 100 - step) for number, who in enumerate(people) for step in range(12)))
    home.watch(("ana", 39, 0.5))
    found = build_from_server(engine, home.server, unseen, parameters=FEW)
    flat = {key for of_item in found.keys for key in of_item}
    assert f"movie:tmdb:{tmdb(39)}" not in flat
    assert f"movie:tmdb:{tmdb(1)}" in flat
    assert (found.n_events >= 2).all()
    write_pack(found, tmp_path / "home.pack")
    content = (tmp_path / "home.pack").read_bytes()
    assert not [
        name for name in ("somebody", "ana", home.server.external_id, "Test server") if name.encode() in content.partition(b"[[")[0]
    ]


def test_a_pack_from_a_server_holds_nothing_of_the_pack_installed_there(home: Home, pack: Pack, engine: Engine) -> None:
    home.install(pack)
    with pytest.raises(NothingToLearn):
        build_from_server(engine, home.server, unseen)
