import pytest
from scipy.stats import binomtest

from app.learn.proportion import wilson


@pytest.mark.parametrize(("n_hits", "n"), [(0, 1), (1, 1), (0, 40), (3, 40), (40, 40), (123, 100_000)])
def test_the_interval_is_scipys(n_hits: int, n: int) -> None:
    low, high = binomtest(n_hits, n).proportion_ci(method="wilson")
    assert wilson(n_hits, n) == pytest.approx((low, high), abs=1e-12)
