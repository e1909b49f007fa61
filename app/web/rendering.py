"""What every page stands on: templates, headers, who is sent where, and forms."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from app.db import DBAPIError, PoolTimeout, is_passing
from app.errors import NotReady, PalateError
from app.web.session import Sessions, root_of
from app.web.view import MAX_LISTED

FOLDER = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": ("default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    # What people watched stays out of caches, and going back after a logout shows nothing.
    "Cache-Control": "no-store",
}
# Longer than any key or address; what is longer is not read.
MAX_FIELD_BYTES = 4096


class Pages:
    """The templates and the cookie's signer."""

    def __init__(self, secret: str) -> None:
        self.sessions = Sessions(secret)
        loader = jinja2.FileSystemLoader(FOLDER / "templates")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
        # In the addresses of the assets, so that a browser never shows a new page in an old style.
        self._templates.globals["version"] = _version_of(FOLDER / "static")
        self._templates.globals["most_options"] = MAX_LISTED

    def html(self, request: Request, template: str, status: int, **values: Any) -> HTMLResponse:
        content = self._templates.get_template(template).render(prefix=root_of(request), **values)
        return HTMLResponse(content, status, HEADERS)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, without the blanks around them; none where it is no form, or one that no person's browser sent."""
    try:
        form = await request.form(max_files=0, max_fields=4, max_part_size=MAX_FIELD_BYTES)
    except HTTPException:
        return {}
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}


def passing(error: DBAPIError | PoolTimeout) -> PalateError:
    """What a person is told while the database is away or busy. Raises any other error again."""
    if isinstance(error, DBAPIError) and not is_passing(error):
        raise error
    return NotReady()


def to_login(request: Request) -> Response:
    address = with_query(request, "/login")
    # htmx would follow a 303 by itself and swap the form into the page.
    is_swap = "hx-request" in request.headers
    answer = Response(status_code=401, headers={"HX-Redirect": address}) if is_swap else RedirectResponse(address, 303)
    pages_of(request).sessions.clear(request, answer)
    return answer


def with_query(request: Request, path: str) -> str:
    """A page of ours that keeps whom the address asked for. Only the query is taken over, so nobody is led elsewhere."""
    query = urlencode(request.query_params.multi_items())
    return root_of(request) + path + (f"?{query}" if query else "")


def pages_of(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


def _version_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:10]
