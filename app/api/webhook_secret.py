"""Where the secret of a webhook stands in a request: in a header, or last in its path where the sender can set none."""

from app.api.middleware import Scope, path_of
from app.db.servers import digest_of

WEBHOOKS = "/webhooks/"


def sent_secret(scope: Scope) -> bytes | None:
    """Its digest."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, sent = headers.get(b"authorization", "").partition(" ")
    in_path = path_of(scope).removeprefix(WEBHOOKS).split("/")[2:]
    secret = "/".join(in_path) or headers.get(b"x-palate-secret", "").strip() or (sent.strip() if scheme.lower() == "bearer" else "")
    return digest_of(secret) if secret else None
