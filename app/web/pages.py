"""The page for people: whose slate, what is on it and why, and what they watched."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import jinja2
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import Scope

from app.api.auth import authorise
from app.db import DBAPIError, PoolTimeout, is_passing
from app.db.servers import digest_of
from app.errors import InvalidKey, MissingKey, NotReady, PalateError, ScopeMissing
from app.web.session import CrossSite, Sessions, is_cross_site, root_of
from app.web.view import View, Wanted, read_view

FOLDER = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": ("default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    # What people watched stays out of caches, and going back after a logout shows nothing.
    "Cache-Control": "no-store",
}
# Longer than any key; what is longer is not read.
MAX_KEY_BYTES = 4096

router = APIRouter(include_in_schema=False)


def install(app: FastAPI, secret: str) -> None:
    """Add the pages to the service. `secret` signs the session cookie."""
    app.state.pages = Pages(secret)
    app.mount("/static", Assets(directory=FOLDER / "static"))
    app.include_router(router)


class Pages:
    """The templates and the cookie's signer."""

    def __init__(self, secret: str) -> None:
        self.sessions = Sessions(secret)
        loader = jinja2.FileSystemLoader(FOLDER / "templates")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
        # In the addresses of the assets, so that a browser never shows a new page in an old style.
        self._templates.globals["version"] = _version_of(FOLDER / "static")

    def html(self, request: Request, template: str, status: int, **values: Any) -> HTMLResponse:
        content = self._templates.get_template(template).render(prefix=root_of(request), **values)
        return HTMLResponse(content, status, HEADERS)


class Assets(StaticFiles):
    """Finds its files also behind a proxy that strips the base path, where Starlette's own reading of a mount's path does not."""

    def get_path(self, scope: Scope) -> str:
        return super().get_path({**scope, "root_path": "", "path": str(scope["path"]).partition("/static")[2]})


async def read_key(request: Request) -> str:
    """The key of the login form; empty where there is none, or where no person's browser sent the form."""
    try:
        form = await request.form(max_files=0, max_fields=4, max_part_size=MAX_KEY_BYTES)
    except HTTPException:
        return ""
    key = form.get("key", "")
    return key.strip() if isinstance(key, str) else ""


@router.get("/")
def get_page(request: Request, server_id: str = "", user_id: str = "", type: str = "all") -> Response:
    return _view_answer(request, "page.html", Wanted(server_id, user_id, type))


@router.get("/slate")
def get_slate(request: Request, server_id: str = "", user_id: str = "", type: str = "all") -> Response:
    """What htmx swaps into the page."""
    address = _with_query(request, "/")
    if "hx-request" not in request.headers:
        return RedirectResponse(address, 303)
    answer = _view_answer(request, "fragment.html", Wanted(server_id, user_id, type))
    answer.headers["HX-Push-Url"] = address
    return answer


@router.get("/login")
def get_login(request: Request) -> Response:
    return _login_form(request, None)


@router.post("/login")
def post_login(request: Request, key: Annotated[str, Depends(read_key)]) -> Response:
    if is_cross_site(request):
        return _pages(request).html(request, "message.html", CrossSite.status, problem=CrossSite())
    digest = digest_of(key)
    try:
        with request.app.state.serve.begin() as connection:
            authorise(connection, request, digest, "read")
    except (InvalidKey, ScopeMissing) as error:
        return _login_form(request, error)
    except (DBAPIError, PoolTimeout) as error:
        return _login_form(request, _passing(error))
    answer = RedirectResponse(_with_query(request, "/"), 303)
    _pages(request).sessions.write(request, answer, digest)
    return answer


@router.post("/logout")
def post_logout(request: Request) -> Response:
    pages = _pages(request)
    if is_cross_site(request):
        return pages.html(request, "message.html", CrossSite.status, problem=CrossSite())
    answer = RedirectResponse(root_of(request) + "/login", 303)
    pages.sessions.clear(request, answer)
    return answer


def _view_answer(request: Request, template: str, wanted: Wanted) -> Response:
    pages = _pages(request)
    try:
        view = _read(request, pages.sessions.read(request), wanted)
    except (MissingKey, InvalidKey, ScopeMissing):
        return _to_login(request)
    except (DBAPIError, PoolTimeout) as error:
        view = View(problem=_passing(error))
    status = 200 if view.problem is None else view.problem.status
    return pages.html(request, template, status, view=view)


def _read(request: Request, digest: bytes | None, wanted: Wanted) -> View:
    if digest is None:
        raise MissingKey
    with request.app.state.serve.begin() as connection:
        key = authorise(connection, request, digest, "read")
        return read_view(connection, key, wanted, datetime.now(UTC), request.app.state.rankers)


def _passing(error: DBAPIError | PoolTimeout) -> PalateError:
    """What a person is told while the database is away or busy. Raises any other error again."""
    if isinstance(error, DBAPIError) and not is_passing(error):
        raise error
    return NotReady()


def _to_login(request: Request) -> Response:
    address = _with_query(request, "/login")
    # htmx would follow a 303 by itself and swap the form into the page.
    is_swap = "hx-request" in request.headers
    answer = Response(status_code=401, headers={"HX-Redirect": address}) if is_swap else RedirectResponse(address, 303)
    _pages(request).sessions.clear(request, answer)
    return answer


def _login_form(request: Request, error: PalateError | None) -> HTMLResponse:
    status = 200 if error is None else error.status
    return _pages(request).html(request, "login.html", status, problem=error, action=_with_query(request, "/login"))


def _with_query(request: Request, path: str) -> str:
    """A page of ours that keeps whom the address asked for. Only the query is taken over, so nobody is led elsewhere."""
    query = urlencode(request.query_params.multi_items())
    return root_of(request) + path + (f"?{query}" if query else "")


def _pages(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


def _version_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:10]
