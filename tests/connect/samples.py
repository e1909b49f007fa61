"""What real media servers answered and sent. It is not part of the project: its folder is named by PALATE_SAMPLES_DIR, or lies beside the
project in `shared/data/media-server-samples`."""

import os
from pathlib import Path

import pytest

from tests.connect.fake_jellyfin.description import ROOT

FOLDER = Path(os.environ.get("PALATE_SAMPLES_DIR", ROOT.parent / "shared" / "data" / "media-server-samples"))


def sample(name: str) -> Path:
    """Skips the test where it is not at hand."""
    if not (FOLDER / name).is_file():
        pytest.skip(f"{name} is not in {FOLDER}. PALATE_SAMPLES_DIR names another folder.")
    return FOLDER / name
