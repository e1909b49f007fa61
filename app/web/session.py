"""Who is logged in: a signed cookie that holds the digest of a key, never the key.

The key is looked up again at each request, so a revoked one is out at once.
"""

from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response
from itsdangerous import BadData, URLSafeTimedSerializer

from app.errors import PalateError

COOKIE = "palate_session"
MAX_AGE_SECONDS = 30 * 24 * 3600
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class CrossSite(PalateError):
    """This form was sent from another address than this page's. Open Palate itself and try again.
    A proxy in front of it must pass the Host header on."""

    status, title = 403, "Sent from elsewhere"


class Sessions:
    """Signs and reads the cookie."""

    def __init__(self, secret: str) -> None:
        self._signer = URLSafeTimedSerializer(secret, salt="palate session")

    def read(self, request: Request) -> bytes | None:
        """The digest of the key that logged in; None without a cookie that we signed and that is young enough."""
        try:
            return bytes.fromhex(self._signer.loads(request.cookies.get(COOKIE, ""), max_age=MAX_AGE_SECONDS))
        except BadData:
            return None

    def write(self, request: Request, answer: Response, digest: bytes) -> None:
        answer.set_cookie(
            COOKIE,
            self._signer.dumps(digest.hex()),
            max_age=MAX_AGE_SECONDS,
            path=root_of(request) or "/",
            httponly=True,
            secure=request.scope["scheme"] == "https",
            # Not strict: a link in a media server's dashboard would lead those who are logged in to the login form.
            # Nothing changes on GET, and other sites' POSTs carry no lax cookie and are refused by their Origin.
            samesite="lax",
        )

    def clear(self, request: Request, answer: Response) -> None:
        answer.delete_cookie(COOKIE, path=root_of(request) or "/", httponly=True, samesite="lax")


def is_cross_site(request: Request) -> bool:
    """Whether a browser says that another site's page sent this. Callers that are no browsers send no Origin."""
    origin = request.headers.get("origin")
    if origin is None:
        return False
    try:
        sent_from = urlsplit(origin)
    except ValueError:
        return True
    default = DEFAULT_PORTS.get(sent_from.scheme, "")
    host = request.headers.get("host", "").lower()
    return not sent_from.netloc or sent_from.netloc.lower().removesuffix(default) != host.removesuffix(default)


def root_of(request: Request) -> str:
    """The base path that a proxy serves Palate under; empty where there is none."""
    return str(request.scope.get("root_path", "")).rstrip("/")
