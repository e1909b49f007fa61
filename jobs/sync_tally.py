"""How far a sync is: what is to come is known list by list."""

from app.types import Progress


class Tally:
    """Counts rows read of rows expected; tells a person after each page."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = self._total = 0

    def expect(self, n: int) -> None:
        self._total += n

    def did(self, n: int) -> None:
        self._done += n
        # More than was counted came in between.
        self._total = max(self._total, self._done)
        self._progress(self._done, self._total)
