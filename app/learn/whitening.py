"""One scale for the vectors of any space: the scores of a taste of unit length have a root mean square of 1 over all items."""

import numpy as np
import numpy.typing as npt
import scipy.linalg

# Of the mean variance: a direction in which no target differs has none, and still a scale.
LEAST_VARIANCE = 1e-9


def whitened(
    history: npt.NDArray[np.floating], target: npt.NDArray[np.floating], is_counted: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """History and target vectors (n, r) that give the same scores; over the items counted (n,), targets have a second moment of I."""
    old, new = history.astype(np.float64), target.astype(np.float64)
    moment = new[is_counted].T @ new[is_counted] / max(int(is_counted.sum()), 1)
    moment[np.diag_indices(len(moment))] += max(LEAST_VARIANCE * float(np.trace(moment)) / max(len(moment), 1), 1e-30)
    factor = np.linalg.cholesky(moment)
    new = scipy.linalg.solve_triangular(factor, new.T, lower=True, check_finite=False).T
    old = old @ factor
    # Of no matter to a taste, which is brought to unit length, but half precision has no room for small numbers.
    old /= max(float(np.sqrt(np.mean(old**2))), 1e-12)
    return old.astype(np.float32), new.astype(np.float32)
