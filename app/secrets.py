"""Secrets that are made at first start and kept in the data folder, readable by their owner only; and what is stored encrypted by one."""

import base64
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import SecretKeyChanged
from app.settings import Settings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

ADMIN_KEY_PREFIX = "palate_"
# A key of its own for this use: the same secret also signs cookies.
TOKEN_KEY_PURPOSE = b"palate stored tokens"


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


def secret_key(settings: Settings) -> str:
    """What signs cookies and encrypts stored tokens."""
    return settings.secret_key.get_secret_value() if settings.secret_key else kept_secret(settings.data_dir, "secret-key")[0]


def encrypted(token: str, secret: str) -> bytes:
    return _fernet(secret).encrypt(token.encode())


def decrypted(token: bytes, secret: str) -> str:
    """Raises SecretKeyChanged where another secret encrypted it."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(secret).decrypt(token).decode()
    except InvalidToken:
        raise SecretKeyChanged from None


def _fernet(secret: str) -> "Fernet":
    # Imported where it is used: most commands and every web process do without.
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=TOKEN_KEY_PURPOSE).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
