"""What a ranker sees of a list, and what it learns from it."""

import io
from dataclasses import replace

import numpy as np
import pytest

from app.learn.events import Floats
from app.learn.features import N_NEAR, N_NEAR_TEXT, NAMES, Listed, Nearness, features_of
from app.learn.item_facts import Description, ItemFacts, item_facts
from app.learn.ranker import LambdaMart, Lists, Parameters, fit_lambdamart
from app.learn.second_stage import FeaturesDiffer, SecondStage, read_second_stage
from app.learn.transitions import WINDOWS, learn_transitions
from tests.learn.invented import events_of

SMALL = Parameters(n_trees=80, num_leaves=7, min_data_in_leaf=5)


def described(**more: object) -> Description:
    said = {"year": 2000.0, "community_rating": 7.0, "vote_count": 100.0, "runtime": 100.0, "added_at": 0.0, "is_series": False}
    return Description(**said | {"genres": ["drama"], "people": ["Ann"]} | more)  # type: ignore[arg-type]


def facts_of(histories: list[list[int]], n_items: int) -> ItemFacts:
    said = [described(year=1990.0 + item, genres=["even" if item % 2 == 0 else "odd"]) for item in range(n_items)]
    return item_facts(events_of(histories, n_items), np.arange(n_items) + 100, said)


def listed(item_ids: list[int], recent: list[int], **more: object) -> Listed:
    n = len(item_ids)
    ones = np.arange(n, 0, -1).astype(np.float32)
    near, nothing = Nearness(ones, ones, np.zeros((n, N_NEAR), np.float32)), np.full(n, np.nan, np.float32)
    found = Listed(
        np.array(item_ids, dtype=np.int64), near, Nearness(nothing, nothing, np.full((n, N_NEAR), np.nan, np.float32)), ones,
        np.zeros((n, N_NEAR_TEXT), np.float32), ones, ones, ones, nothing, np.array(recent, dtype=np.int64), len(recent), 864_000.0,
    )  # fmt: skip
    return replace(found, **more)  # type: ignore[arg-type]


def column(features: Floats, name: str) -> list[float]:
    return [round(float(value), 4) for value in features[:, NAMES.index(name)]]


def test_a_transition_counts_within_its_window_and_one_way() -> None:
    found = learn_transitions(events_of([[0, 1, 2, 3, 4], [0, 1, 4]], 5))
    counts = found.between(np.array([0, -1, 4]), np.array([1, 2, 4, 0, -1]))
    assert counts[0, :, WINDOWS.index(1)].tolist() == [2, 0, 0, 0, 0]
    assert counts[0, :, WINDOWS.index(3)].tolist() == [2, 1, 1, 0, 0]
    assert counts[0, :, WINDOWS.index(10)].tolist() == [2, 1, 2, 0, 0]
    assert not counts[1:].any()


def test_where_there_is_no_room_for_all_transitions_the_frequent_ones_stay() -> None:
    histories = [[0, 1]] * 5 + [[0, 2]]
    found = learn_transitions(events_of(histories, 3), max_pairs=1)
    assert found.between(np.array([0]), np.array([1, 2]))[0, :, 0].tolist() == [5, 0]


def test_what_has_no_order_follows_nothing() -> None:
    events = events_of([[0, 1, 2]], 3)
    found = learn_transitions(replace(events, has_order=np.array([False, True, True])))
    assert found.between(np.array([0, 1]), np.array([1, 2]))[:, :, 0].tolist() == [[0, 0], [0, 1]]


def test_features_say_what_they_are_named_after() -> None:
    facts = facts_of([[0, 1, 2], [0, 1, 3], [0, 1, 2]], 5)
    found = features_of(facts, listed([102, 103, 104], recent=[101, 100]))
    assert found.shape == (3, len(NAMES))
    assert column(found, "next_1") == [round(2 / 3, 4), round(1 / 3, 4), 0]
    assert column(found, "next_3_rank") == [0, 1, 2]
    assert column(found, "popularity") == [round(float(np.log1p(n)), 4) for n in (2, 1, 0)]
    assert column(found, "year_gap_1") == [1, 2, 3]
    assert column(found, "genres_1") == [0, 1, 0]
    assert column(found, "people_10") == [1, 1, 1]
    assert column(found, "age_days") == [10, 10, 10]
    assert column(found, "collab_rank") == [0, 1, 2]
    assert column(found, "collab_z") == [1.2247, 0, -1.2247]


def test_an_item_that_came_after_the_training_is_unknown_and_no_other() -> None:
    facts = facts_of([[0, 1, 2]], 3)
    found = features_of(facts, listed([999, 102], recent=[998, 101]))
    assert np.isnan(column(found, "year")[0])
    assert column(found, "year")[1] == 1992
    assert column(found, "popularity")[0] == 0
    assert column(found, "next_1") == [0, 0]
    assert column(found, "just_after_2") == [0, 1]


def test_nobody_and_nothing_are_no_error() -> None:
    facts = facts_of([[0, 1]], 2)
    assert features_of(facts, listed([], recent=[])).shape == (0, len(NAMES))
    alone = features_of(facts, listed([100], recent=[]))
    assert np.isnan(column(alone, "year_gap_1")[0])
    assert np.isnan(column(alone, "two_tower_z")[0])


@pytest.fixture(scope="module")
def planted() -> tuple[Lists, Lists]:
    """What was chosen is what followed the last title most, whatever else is said of it."""
    generator = np.random.default_rng(3)

    def lists(n: int) -> Lists:
        features = generator.normal(size=(n * 20, len(NAMES))).astype(np.float32)
        features[generator.random(features.shape) < 0.05] = np.nan
        decides = generator.normal(size=(n, 20)).astype(np.float32)
        features[:, NAMES.index("next_3")] = decides.ravel()
        labels = (np.arange(20) == decides.argmax(axis=1)[:, None]).astype(np.int8)
        return Lists(features, labels.ravel(), np.full(n, 20, dtype=np.int64))

    return lists(300), lists(60)


def test_the_ranker_finds_what_decides(planted: tuple[Lists, Lists]) -> None:
    ranker = fit_lambdamart(*planted, NAMES, SMALL)
    assert int(np.argmax(ranker.importance())) == NAMES.index("next_3")
    later = planted[1]
    first = ranker.score(later.features).reshape(-1, 20).argmax(axis=1)
    assert (first == later.labels.reshape(-1, 20).argmax(axis=1)).mean() > 0.8


def test_training_again_gives_the_same_ranker(planted: tuple[Lists, Lists]) -> None:
    assert fit_lambdamart(*planted, NAMES, SMALL) == fit_lambdamart(*planted, NAMES, SMALL)


def test_a_model_is_the_same_after_it_was_bytes(planted: tuple[Lists, Lists]) -> None:
    facts = facts_of([[0, 1, 2], [0, 1, 3]], 5)
    stage = SecondStage(fit_lambdamart(*planted, NAMES, SMALL), facts)
    again = read_second_stage("lambdamart", stage.to_bytes())
    asked = listed([102, 103, 104, 999], recent=[101, 100])
    for ours, theirs in zip(stage.rank(asked), again.rank(asked), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_bytes_of_something_else_are_refused(planted: tuple[Lists, Lists]) -> None:
    with pytest.raises(ValueError, match="file"):
        read_second_stage("lambdamart", b"not a model")
    stage = SecondStage(LambdaMart(fit_lambdamart(*planted, NAMES, SMALL).text), facts_of([[0, 1]], 2))
    with pytest.raises(KeyError):
        read_second_stage("unheard of", stage.to_bytes())
    buffer = io.BytesIO()
    np.savez(buffer, features=np.array(["another"]))
    with pytest.raises(FeaturesDiffer):
        read_second_stage("lambdamart", buffer.getvalue())
