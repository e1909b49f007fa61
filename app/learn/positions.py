"""Where things are in what is sorted."""

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


def positions_in(known: Ids, wanted: Ids) -> Ids:
    """Of each of `wanted` its place in `known`, which rises; -1 where it is not there."""
    if not len(known):
        return np.full(len(wanted), -1, dtype=np.int64)
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[found] == wanted, found, -1)
