"""The neural ranker: what it learns from a list, and that numpy says of it what torch did."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch

from app.learn.dlrm import FIELDS, Dlrm, DlrmParameters, fit_dlrm, scale_of
from app.learn.dlrm_training import Net, Training
from app.learn.events import Floats
from app.learn.features import NAMES
from app.learn.ranker import Lists, read_ranker
from app.learn.second_stage import SecondStage, read_second_stage
from tests.learn.test_ranker import facts_of, listed

SMALL = DlrmParameters(dimension=4, n_bins=8, n_bottom=16, n_top=16, n_last=8, learning_rate=0.01, batch=32, min_steps=200, n_checks=5)
SEEN = ("collab", "next_3", "next_3_rank", "year", "genres_10", "is_series", "times_shown")
DECIDES, CUT = SEEN.index("next_3"), SEEN.index("next_3_rank")


def lists(n: int, seed: int, worth: Callable[[Floats], Floats], n_features: int = len(SEEN)) -> Lists:
    """Of 12 to 20 candidates, some of whose features are not known; chosen was what is worth most."""
    generator = np.random.default_rng(seed)
    sizes = generator.integers(12, 21, n)
    features = generator.normal(size=(sizes.sum(), n_features)).astype(np.float32)
    worths = worth(features)
    features[generator.random(features.shape) < 0.05] = np.nan
    features[:, SEEN.index("times_shown")] = np.nan
    features[:, SEEN.index("is_series")] = 0
    ends = np.cumsum(sizes)
    labels = np.zeros(sizes.sum(), dtype=np.int8)
    labels[[start + worths[start:end].argmax() for start, end in zip(ends - sizes, ends, strict=True)]] = 1
    return Lists(features, labels, sizes)


def most(column: int) -> Callable[[Floats], Floats]:
    return lambda features: features[:, column]


def nearest_to_the_middle(features: Floats) -> Floats:
    return -np.abs(features[:, CUT])


def share_found(ranker: Dlrm, asked: Lists) -> float:
    scores = ranker.score(asked.features)
    starts = np.cumsum(asked.sizes) - asked.sizes
    return float(np.mean([asked.labels[s : s + n][scores[s : s + n].argmax()] for s, n in zip(starts, asked.sizes, strict=True)]))


@pytest.fixture(scope="module")
def planted() -> tuple[Lists, Lists]:
    return lists(400, 3, most(DECIDES)), lists(60, 4, most(DECIDES))


@pytest.fixture(scope="module")
def ranker(planted: tuple[Lists, Lists]) -> Dlrm:
    return fit_dlrm(*planted, SEEN, SMALL)


@pytest.mark.parametrize("loss", ["softmax", "pointwise"])
@pytest.mark.parametrize("column", [DECIDES, CUT], ids=["as it is", "cut into bins"])
def test_the_ranker_finds_what_decides(loss: Literal["softmax", "pointwise"], column: int) -> None:
    later = lists(60, 4, most(column))
    found = fit_dlrm(lists(400, 3, most(column)), later, SEEN, replace(SMALL, loss=loss))
    assert int(np.argmax(found.importance())) == column
    assert share_found(found, later) > 0.6


def test_the_ranker_finds_what_no_straight_line_does() -> None:
    later = lists(60, 4, nearest_to_the_middle)
    assert share_found(fit_dlrm(lists(400, 3, nearest_to_the_middle), later, SEEN, SMALL), later) > 0.3


def test_training_again_gives_the_same_ranker(planted: tuple[Lists, Lists], ranker: Dlrm) -> None:
    torch.rand(3)
    again = fit_dlrm(*planted, SEEN, SMALL).arrays()
    for name, values in ranker.arrays().items():
        np.testing.assert_array_equal(values, again[name])
    other = fit_dlrm(*planted, SEEN, replace(SMALL, seed=2)).arrays()
    assert not np.array_equal(other["weights_top"], again["weights_top"])


def test_numpy_scores_as_torch_does(planted: tuple[Lists, Lists], ranker: Dlrm) -> None:
    net = Net(ranker.scale, SMALL)
    with torch.no_grad():
        for name, values in vars(ranker.weights).items():
            net.get_parameter(name).copy_(torch.from_numpy(values))
        features = planted[1].features
        found = net(torch.from_numpy(ranker.scale.dense(features)), torch.from_numpy(ranker.scale.codes(features))).numpy()
    np.testing.assert_allclose(ranker.score(features), found, rtol=1e-4, atol=1e-5)


def test_training_ends_when_it_gets_no_better(planted: tuple[Lists, Lists]) -> None:
    """Learned from noise, there is nothing to get better at."""
    train, later = planted
    noise = replace(train, labels=np.concatenate([np.eye(1, size, dtype=np.int8)[0] for size in train.sizes]))
    seen: list[tuple[int, int]] = []
    parameters = replace(SMALL, n_checks=30, patience=2)
    fit_dlrm(noise, later, SEEN, parameters, lambda done, of: seen.append((done, of)))
    assert len(seen) < 30
    assert {of for _, of in seen} == {200}


def test_who_tells_nothing_apart_gets_no_credit(planted: tuple[Lists, Lists]) -> None:
    train, later = planted
    training = Training(scale_of(train.features, np.array([CUT]), 8), train, SMALL)
    with torch.no_grad():
        for parameter in training.net.parameters():
            parameter.zero_()
    assert training.ndcg(later) == 0
    assert float(training.loss(np.arange(len(train))).detach()) == pytest.approx(np.log(train.sizes).mean(), rel=1e-5)


def test_what_is_not_known_is_no_error(ranker: Dlrm) -> None:
    features = np.full((3, len(SEEN)), np.nan, dtype=np.float32)
    assert np.isfinite(ranker.score(features)).all()
    features[1, DECIDES], features[2, DECIDES] = np.inf, -1e30
    assert np.isfinite(ranker.score(features)).all()
    assert ranker.score(features[:0]).shape == (0,)


def test_what_was_never_known_or_always_the_same_counts_for_nothing(planted: tuple[Lists, Lists], ranker: Dlrm) -> None:
    features = planted[1].features.copy()
    usual = ranker.score(features)
    features[:, SEEN.index("times_shown")], features[:, SEEN.index("is_series")] = 7, 1
    np.testing.assert_array_equal(ranker.score(features), usual)
    assert ranker.importance()[SEEN.index("times_shown")] == 0


def test_a_model_is_the_same_after_it_was_bytes() -> None:
    train, later = (lists(n, n, most(0), len(NAMES)) for n in (50, 20))
    ranker = fit_dlrm(train, later, NAMES, replace(SMALL, min_steps=10))
    stage = SecondStage(ranker, facts_of([[0, 1, 2], [0, 1, 3]], 5))
    again = read_second_stage("dlrm", stage.to_bytes())
    asked = listed([102, 103, 104, 999], recent=[101, 100])
    for ours, theirs in zip(stage.rank(asked), again.rank(asked), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(again.ranker.importance(), ranker.importance())
    with pytest.raises(KeyError):
        read_ranker("dlrm", {})


def test_every_field_is_a_feature() -> None:
    assert set(FIELDS) <= set(NAMES)


def test_serving_it_needs_no_torch() -> None:
    code = "import sys; import app.learn.ranker, app.learn.dlrm; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
