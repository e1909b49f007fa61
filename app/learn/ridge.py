"""The solves that item models share, in place."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.linalg
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

Doubles = npt.NDArray[np.float64]

BLOCK = 1024
# OpenBLAS 0.3.30 ends the process with a segmentation fault where it factorises a larger matrix in threads (20,000 x 20,000 in two).
MOST_BYTES_IN_THREADS = 2**31


def without_diagonal(gram: Doubles, ridge: float) -> Doubles:
    """B of Steck 2019, equation 8: how much item i says of item j. `gram` (n, n), in column order, is overwritten.

    In double precision: items that the same users watched tie exactly, and in single precision noise that differs with the number
    of threads would order them (households: .032 on one thread, .030 on two).
    """
    n = len(gram)
    gram[np.diag_indices(n)] += ridge
    inverse, _ = lapack.dpotri(cholesky(gram), lower=1, overwrite_c=1)
    for rows in blocks(n):
        # Only what is below the diagonal was computed.
        inverse[rows, rows.start :] = np.tril(inverse[rows.start :, rows]).T
        inverse[rows, rows] += np.tril(inverse[rows, rows].T, -1)
    inverse /= -np.diag(inverse).copy()
    inverse[np.diag_indices(n)] = 0
    return np.asarray(inverse)


def cholesky(gram: Doubles) -> Doubles:
    """L of L L', lower; above the diagonal stands what stood there. `gram` (n, n), in column order, is overwritten."""
    threads = None if gram.nbytes < MOST_BYTES_IN_THREADS else 1
    with threadpool_limits(threads, user_api="blas"):
        factor, _ = scipy.linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(factor)


def blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))
