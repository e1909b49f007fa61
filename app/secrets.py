"""Secrets that are made at first start and kept in the data folder, readable by their owner only."""

import os
import secrets
from pathlib import Path

from app.settings import Settings

ADMIN_KEY_PREFIX = "palate_"


def new_key() -> str:
    """A key with 256 random bits."""
    return ADMIN_KEY_PREFIX + secrets.token_urlsafe(32)


def kept_secret(folder: Path, name: str) -> tuple[str, bool]:
    """The secret of this name, made if there is none yet, and whether it is new. Two processes that ask at once get the same."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    made = new_key()
    partial = folder / f".{name}.{os.getpid()}"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(made + "\n")
        os.link(partial, file)  # fails where there is one, and never shows half of it
    except FileExistsError:
        return file.read_text(encoding="utf-8").strip(), False
    finally:
        partial.unlink(missing_ok=True)
    return made, True


def admin_key(settings: Settings) -> tuple[str, bool]:
    """The bootstrap admin key, and whether it was made just now."""
    if settings.admin_key is not None:
        return settings.admin_key.get_secret_value(), False
    return kept_secret(settings.data_dir, "admin-key")
