"""The solve that item-to-item models share, in place."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

Doubles = npt.NDArray[np.float64]

BLOCK = 1024


def without_diagonal(gram: Doubles, ridge: float) -> Doubles:
    """B of Steck 2019, equation 8: how much item i says of item j. `gram` (n, n), in column order, is overwritten.

    In double precision: items that the same users watched tie exactly, and in single precision noise that differs with the number
    of threads would order them (households: .032 on one thread, .030 on two).
    """
    n = len(gram)
    gram[np.diag_indices(n)] += ridge
    factor, _ = lapack.dpotrf(gram, lower=1, overwrite_a=1)
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    for rows in blocks(n):
        # Only what is below the diagonal was computed.
        inverse[rows, rows.start :] = np.tril(inverse[rows.start :, rows]).T
        inverse[rows, rows] += np.tril(inverse[rows, rows].T, -1)
    inverse /= -np.diag(inverse).copy()
    inverse[np.diag_indices(n)] = 0
    return np.asarray(inverse)


def blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))
