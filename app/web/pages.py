"""The page for people: whose slate, what is on it and why, and what they watched."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from app.api.auth import authorise
from app.db import DBAPIError, PoolTimeout
from app.db.servers import digest_of
from app.errors import InvalidKey, MissingKey, PalateError, ScopeMissing
from app.web import connecting
from app.web.rendering import FOLDER, Pages, pages_of, passing, read_form, to_login, with_query
from app.web.session import CrossSite, is_cross_site, root_of
from app.web.view import View, Wanted, read_view

router = APIRouter(include_in_schema=False)


def install(app: FastAPI, secret: str) -> None:
    """Add the pages to the service. `secret` signs the session cookie."""
    app.state.pages = Pages(secret)
    app.mount("/static", Assets(directory=FOLDER / "static"))
    app.include_router(router)
    app.include_router(connecting.router)


class Assets(StaticFiles):
    """Finds its files also behind a proxy that strips the base path, where Starlette's own reading of a mount's path does not."""

    def get_path(self, scope: Scope) -> str:
        return super().get_path({**scope, "root_path": "", "path": str(scope["path"]).partition("/static")[2]})


async def read_key(request: Request) -> str:
    """The key of the login form; empty where there is none."""
    return (await read_form(request)).get("key", "")


@router.get("/")
def get_page(request: Request, server_id: str = "", user_id: str = "", type: str = "all") -> Response:
    return _view_answer(request, "page.html", Wanted(server_id, user_id, type))


@router.get("/slate")
def get_slate(request: Request, server_id: str = "", user_id: str = "", type: str = "all") -> Response:
    """What htmx swaps into the page."""
    address = with_query(request, "/")
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
        return pages_of(request).html(request, "message.html", CrossSite.status, problem=CrossSite())
    digest = digest_of(key)
    try:
        with request.app.state.serve.begin() as connection:
            authorise(connection, request, digest, "read")
    except (InvalidKey, ScopeMissing) as error:
        return _login_form(request, error)
    except (DBAPIError, PoolTimeout) as error:
        return _login_form(request, passing(error))
    answer = RedirectResponse(with_query(request, "/"), 303)
    pages_of(request).sessions.write(request, answer, digest)
    return answer


@router.post("/logout")
def post_logout(request: Request) -> Response:
    pages = pages_of(request)
    if is_cross_site(request):
        return pages.html(request, "message.html", CrossSite.status, problem=CrossSite())
    answer = RedirectResponse(root_of(request) + "/login", 303)
    pages.sessions.clear(request, answer)
    return answer


def _view_answer(request: Request, template: str, wanted: Wanted) -> Response:
    pages = pages_of(request)
    try:
        view = _read(request, pages.sessions.read(request), wanted)
    except (MissingKey, InvalidKey, ScopeMissing):
        return to_login(request)
    except (DBAPIError, PoolTimeout) as error:
        view = View(problem=passing(error))
    status = 200 if view.problem is None else view.problem.status
    return pages.html(request, template, status, view=view)


def _read(request: Request, digest: bytes | None, wanted: Wanted) -> View:
    if digest is None:
        raise MissingKey
    with request.app.state.serve.begin() as connection:
        key = authorise(connection, request, digest, "read")
        return read_view(connection, key, wanted, datetime.now(UTC), request.app.state.rankers)


def _login_form(request: Request, error: PalateError | None) -> HTMLResponse:
    status = 200 if error is None else error.status
    return pages_of(request).html(request, "login.html", status, problem=error, action=with_query(request, "/login"))
