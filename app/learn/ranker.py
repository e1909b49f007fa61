"""What puts candidates in order by their features. Every ranker answers (n, n_features) with (n,) scores, the highest first."""

import ctypes
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.learn.events import Floats, Ints
from app.types import Progress, unseen

# Threads wait for each other at every node of a tree: two pay from about so many lists on.
MANY_LISTS = 10_000

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Lists:
    """Candidates of many lists, one list after the other: `features` (n, n_features), `labels` (n,) grades of what was to be found, 0 of
    the others, `sizes` of the lists (n_lists,)."""

    features: Floats
    labels: Labels
    sizes: Ints

    def __len__(self) -> int:
        return len(self.sizes)


class Ranker(Protocol):
    @property
    def name(self) -> str: ...

    def score(self, features: Floats) -> Floats: ...

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What `read_ranker` makes it of again."""
        ...

    def importance(self) -> Floats:
        """Of each feature, shape (n_features,); of no unit."""
        ...


@dataclass(frozen=True)
class Parameters:
    """Of LambdaMART; chosen in EXPERIMENTS, the second stage."""

    n_trees: int = 600
    learning_rate: float = 0.05
    num_leaves: int = 31
    min_data_in_leaf: int = 200
    feature_fraction: float = 0.7
    bagging_fraction: float = 0.7
    truncation: int = 20
    max_bin: int = 127
    patience: int = 40
    seed: int = 1

    def scaled_to(self, n_lists: int) -> "Parameters":
        """Smaller trees where there is little to learn from."""
        if n_lists >= MANY_LISTS:
            return self
        leaves = 15 if n_lists >= 1_000 else 7
        return Parameters(**vars(self) | {"num_leaves": leaves, "min_data_in_leaf": max(20, n_lists // 50)})


@dataclass(frozen=True)
class LambdaMart:
    """Gradient boosted trees on the change of NDCG by each swap (Burges 2010), as LightGBM grows them."""

    text: str
    name: str = "lambdamart"
    _booster: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_booster", _lightgbm().Booster(model_str=self.text))

    def score(self, features: Floats) -> Floats:
        return np.asarray(self._booster.predict(features, num_threads=1), dtype=np.float32)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"text": np.frombuffer(self.text.encode(), dtype=np.uint8)}

    def importance(self) -> Floats:
        return np.asarray(self._booster.feature_importance("gain"), dtype=np.float32)


def fit_lambdamart(train: Lists, later: Lists, names: tuple[str, ...], parameters: Parameters, progress: Progress = unseen) -> LambdaMart:
    """Grows trees until the NDCG@10 of `later` no longer rises. Deterministic."""
    lightgbm = _lightgbm()
    settings = {
        "objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "lambdarank_truncation_level": parameters.truncation,
        "learning_rate": parameters.learning_rate, "num_leaves": parameters.num_leaves, "min_data_in_leaf": parameters.min_data_in_leaf,
        "feature_fraction": parameters.feature_fraction, "bagging_fraction": parameters.bagging_fraction, "bagging_freq": 1,
        "max_bin": parameters.max_bin, "deterministic": True, "force_row_wise": True, "seed": parameters.seed, "verbose": -1,
        "num_threads": 2 if len(train) >= MANY_LISTS else 1,
    }  # fmt: skip
    learned = lightgbm.Dataset(train.features, train.labels, group=train.sizes, feature_name=list(names))
    checked = lightgbm.Dataset(later.features, later.labels, group=later.sizes, reference=learned)

    def tell(state: Any) -> None:
        progress(state.iteration + 1, parameters.n_trees)

    stop = lightgbm.early_stopping(parameters.patience, verbose=False)
    booster = lightgbm.train(settings, learned, parameters.n_trees, valid_sets=[checked], callbacks=[tell, stop])
    return LambdaMart(booster.model_to_string(num_iteration=booster.best_iteration))


def _lightgbm() -> Any:
    """The module. It wants the system's OpenMP library: where there is none, it gets the one that came with torch, which stays unloaded."""
    try:
        import lightgbm
    except OSError:
        found = importlib.util.find_spec("torch")
        if found is None or found.origin is None:
            raise
        ctypes.CDLL(str(Path(found.origin).parent / "lib" / "libgomp.so.1"), mode=ctypes.RTLD_GLOBAL)
        import lightgbm
    return lightgbm


def _read_dlrm(arrays: Mapping[str, npt.NDArray[Any]]) -> Ranker:
    from app.learn.dlrm import read_dlrm

    return read_dlrm(arrays)


READERS: dict[str, Callable[[Mapping[str, npt.NDArray[Any]]], Ranker]] = {
    "lambdamart": lambda arrays: LambdaMart(arrays["text"].tobytes().decode()),
    "dlrm": _read_dlrm,
}


def read_ranker(name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Ranker:
    """Raises KeyError for a name that this version doesn't know."""
    return READERS[name](arrays)
