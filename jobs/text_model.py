"""The text models of a run: which one it wants, and each loaded when the first text needs it."""

import functools
from dataclasses import dataclass

from app.connect.demo.household import demo_item_bodies
from app.errors import ModelMissing
from app.learn.centring import Floats, centre_of
from app.learn.text_encoder import ModelFiles, TextEncoder, locate_model
from app.learn.text_template import item_text
from app.types import Space


# Two: what arrives while a space is built by one model is embedded by the other.
@functools.lru_cache(maxsize=2)
def _loaded(files: ModelFiles) -> TextEncoder:
    return TextEncoder(files)


@functools.lru_cache(maxsize=1)
def _own_centre(files: ModelFiles) -> Floats:
    return centre_of(_loaded(files).encode([item_text(body) for body in demo_item_bodies()]))


@dataclass(frozen=True)
class LazyEncoder:
    """Loads the model when the first text needs it: a run that finds nothing to do never imports torch."""

    files: ModelFiles

    @property
    def encoder(self) -> TextEncoder:
        return _loaded(self.files)

    def model_centre(self) -> Floats:
        """The model's own centre: the mean over the demo household's titles, for corpora too small to have one."""
        return _own_centre(self.files)


def is_pinned(live: Space | None, model_name: str) -> bool:
    """Whether somebody went back to it, and the setting names the model that they went back from."""
    return live is not None and live.pinned_over == model_name


def model_of(space: Space) -> ModelFiles:
    """The one that the space was made by. Raises ModelMissing."""
    files = locate_model(space.model_name)
    if files.digest != space.model_digest:
        raise ModelMissing(
            f"The text model {space.model_name} has other weights than space {space.id} was made by: what is new gets no vector in it. "
            "Put the weights back, or let the space follow PALATE_EMBEDDING_MODEL again (palate spaces follow)."
        )
    return files
