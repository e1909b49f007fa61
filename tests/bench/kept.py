"""Text vectors that a benchmark keeps between its runs: encoding takes minutes."""

from pathlib import Path

import numpy as np

from jobs.evaluation_data import Library


def take_text(library: Library, kept: Path | None) -> None:
    """From the file where there is one; else encoded and written to it. The same file must mean the same texts."""
    if kept is not None and kept.exists():
        vars(library)["text_vectors"] = np.load(kept)
    elif kept is not None:
        np.save(kept, library.text_vectors)
