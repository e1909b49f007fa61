"""How sure a share is."""

import math

# Of a normal distribution, 95% lie within.
Z = 1.959963984540054


def wilson(n_hits: int, n: int) -> tuple[float, float]:
    """The 95% score interval of a proportion, `n` > 0 (E. B. Wilson, Probable inference, JASA 22, 1927)."""
    share, z2 = n_hits / n, Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    margin = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - margin), min(1.0, centre + margin)
