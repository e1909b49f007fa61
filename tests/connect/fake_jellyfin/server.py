"""A small Jellyfin over HTTP, in its versions 10.11 and 12, with the faults of real ones at request numbers of one's choice.

Each request and each good answer is held against the official description, where that is at hand; `complaints` says what did not fit.
"""

import contextlib
import queue
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

import orjson

from tests.connect.fake_jellyfin.answers import Lists, folders, plain, users, views
from tests.connect.fake_jellyfin.description import Description, description
from tests.connect.fake_jellyfin.library import FakeLibrary
from tests.connect.fake_jellyfin.playlists import Playlists
from tests.connect.fake_jellyfin.socket import FakeSocket, handshake
from tests.planted import planted

Fault = Literal["401", "403", "500", "503", "slow", "truncated", "hang up", "elsewhere", "no json", "no items"]
Fake = TypeVar("Fake", bound="FakeJellyfin")
KEY = planted("jellyfin-key-0b51")
PARAMETER = re.compile(r'(\w+)="([^"]*)"')
HISTORY_PATH = "/user_usage_stats/submit_custom_query"
# What no description knows: a plugin's address, and the socket.
NOT_DESCRIBED = (HISTORY_PATH, "/socket")
WEBHOOK_PLUGIN = "71552a5a5c5c4350a2aeebe451a30173"


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    method: str = "GET"


class FakeJellyfin:
    """`before[n]` runs ahead of the n-th request (from 0), `faults[n]` spoils its answer; from `dies_at` on nobody answers.

    Pages of more than `slow_above` items take `slow_seconds`. `writes_dashes`: ids as 8-4-4-4-12.
    `canned`: answers to paths, whatever it holds. `fails_for`: users of whom every list is an error.
    """

    kind = "jellyfin"

    def __init__(self, library: FakeLibrary, major: Literal[10, 12] = 12, base_path: str = "") -> None:
        self.library, self.major, self.base_path = library, major, base_path
        self.lists = Lists(library, major)
        self.playlists = Playlists(library, major)
        self.asked: list[Asked] = []
        self.complaints: list[str] = []
        self.faults: dict[int, Fault] = {}
        self.always: Fault | None = None
        self.before: dict[int, Callable[[], object]] = {}
        self.dies_at: int | None = None
        self.slow_above: int | None = None
        self.slow_seconds = 0.5
        self.writes_dashes = False
        self.elsewhere = "http://127.0.0.1:9/Items"
        self.plugins: list[dict[str, Any]] = []
        self.canned: dict[str, Answer] = {}
        self.fails_for: set[str] = set()
        self.user_tokens: dict[str, str] = {}
        # Rows of the Playback Reporting plugin, as (user, item, type, when it began, seconds); their numbers are their places from 1.
        self.history: list[tuple[str, str, str, datetime, int]] = []
        self.history_error: str | None = None
        self.sockets: queue.Queue[FakeSocket] = queue.Queue()
        self.id, self.version = uuid.uuid4().hex, "12.0.0" if major >= 12 else "10.11.8"
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.url = ""
        self._description: Description | None = description(major)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer | None:
        """None: the connection is to be closed without a word."""
        number = len(self.asked)
        parts = urlsplit(target)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        path = parts.path.removeprefix(self.base_path)
        self.asked.append(Asked(path, dict(pairs), {name.lower(): value for name, value in headers.items()}, method))
        if self._description is not None and path not in NOT_DESCRIBED:
            described = [(name, value) for name, value in pairs if name.lower() not in ("apikey", "api_key")]
            self.complaints += self._description.faults_of_request(method, path, described, body)
        self.before.get(number, lambda: None)()
        if self.dies_at is not None and number >= self.dies_at:
            return None
        fault = self.faults.get(number, self.always)
        if fault is not None and (spoilt := self._spoilt(fault)) is not None:
            return spoilt if spoilt.status else None
        if dict(pairs).get("userId") in self.fails_for:
            return Answer(500)
        good = self.canned.get(path)
        if good is None:
            good = self._history(body, headers) if path == HISTORY_PATH else self._good(path, dict(pairs), headers, method, body)
        if good.status in (200, 204) and self._description is not None and path not in NOT_DESCRIBED:
            self.complaints += self._description.faults_of_answer(method, path, good.status, good.body)
        if self.slow_above is not None and int(dict(pairs).get("limit", 0)) > self.slow_above:
            time.sleep(self.slow_seconds)
        match fault:
            case "truncated":
                return Answer(good.status, good.body[: len(good.body) // 2]) if good.body else None
            case "no items":
                return Answer(good.status, orjson.dumps({"Items": [], "TotalRecordCount": 0, "StartIndex": 0}))
            case _:
                return good

    def _history(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """A plugin's, in no description; everything is text."""
        if self._token({}, headers) != KEY or not any(one["Name"] == "Playback Reporting" for one in self.plugins):
            return Answer(404)
        if self.history_error is not None:
            return Answer(200, orjson.dumps({"colums": [], "results": [], "message": self.history_error}))
        query = orjson.loads(body)["CustomQueryString"]
        if "max(ROWID)" in query:
            rows: list[list[str]] = [[str(len(self.history) or "")]]
        else:
            after, limit = (int(found) for found in re.findall(r"ROWID > (\d+) .* LIMIT (\d+)", query)[0])
            rows = [
                [str(number), user, item, kind, str(int(began.timestamp())), str(seconds)]
                for number, (user, item, kind, began, seconds) in enumerate(self.history, 1)
            ][after : after + limit]
        return Answer(200, orjson.dumps({"colums": ["ROWID"] if rows else [], "results": rows, "message": ""}))

    def opens_socket(self, headers: Mapping[str, str]) -> bool:
        """To whoever has the key in the header and not in the address; else it is answered like anything else."""
        return headers.get("Upgrade") == "websocket" and self.always is None and self._token({}, headers) == KEY

    def _spoilt(self, fault: Fault) -> Answer | None:
        match fault:
            case "401" | "403" | "500" | "503":
                return Answer(int(fault))
            case "hang up":
                return Answer(0)
            case "elsewhere":
                return Answer(302, headers={"Location": self.elsewhere})
            case "no json":
                return Answer(200, b"<html>Bad gateway</html>")
            case "slow":
                time.sleep(self.slow_seconds)
        return None

    def _good(self, path: str, query: dict[str, str], headers: Mapping[str, str], method: str, body: bytes) -> Answer:
        if path == "/System/Info/Public":
            return self._json(self._info())
        token = self._token(query, headers)
        if token != KEY and token not in self.user_tokens:
            return Answer(401)
        user = self.user_tokens.get(token)
        if path == "/Users/Me":
            # A key is nobody.
            mine = [one for one in users(self.library, {}) if one["Id"] == user]
            return self._json(mine[0]) if mine else self._refused("no user")
        if user is not None:
            is_administrator = self.library.users[user].policy.get("IsAdministrator")
            return (self._of_key if is_administrator else self._of_anybody)(path, query, user)
        if method != "GET" or path.startswith("/Playlists"):
            status, content = self.playlists.answer(method, path, query, orjson.loads(body) if body else None)
            return Answer(status, self._in_its_form(content))
        if path == "/Items" and query.get("includeItemTypes") == "Playlist":
            return self._json(self.playlists.listed(query))
        return self._of_key(path, query, None)

    def _of_key(self, path: str, query: dict[str, str], user: str | None) -> Answer:
        match path:
            case "/System/Info":
                return self._json(self._info())
            case "/Auth/Keys":
                return self._json({"Items": [], "TotalRecordCount": 0, "StartIndex": 0})
            case "/Users":
                return self._json(users(self.library, query))
            case "/Library/VirtualFolders":
                return self._json(folders(self.library))
            case "/Plugins":
                return self._json(self.plugins)
            case _:
                return self._of_anybody(path, query, user)

    def _of_anybody(self, path: str, query: dict[str, str], user: str | None) -> Answer:
        query = query if user is None else {"userId": user} | query
        if path == "/Items":
            return self._json(self.lists.page(query))
        if path == "/UserViews":
            return self._json(views(self.library)) if "userId" in query else self._refused("userId")
        if found := re.fullmatch(r"/UserItems/([^/]+)/UserData", path):
            person, item = self.library.users.get(plain(query.get("userId", ""))), self.library.items.get(plain(found[1]))
            return Answer(404) if person is None or item is None else self._json(self.lists.user_data(person, item))
        return Answer(403 if path in ("/System/Info", "/Auth/Keys", "/Users", "/Library/VirtualFolders", "/Plugins") else 404)

    def _token(self, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
        """12 has switched the older ways off."""
        scheme, _, rest = headers.get("Authorization", "").partition(" ")
        if scheme == "MediaBrowser" or (scheme == "Emby" and self.major < 12):
            return {name.lower(): value for name, value in PARAMETER.findall(rest)}.get("token", "")
        if "ApiKey" in query:
            return query["ApiKey"]
        if self.major < 12:
            return query.get("api_key") or headers.get("X-Emby-Token") or headers.get("X-MediaBrowser-Token") or ""
        return ""

    def _info(self) -> dict[str, Any]:
        return {
            "ServerName": "Attic", "Version": self.version, "ProductName": "Jellyfin Server", "Id": self.id, "StartupWizardCompleted": True,
        }  # fmt: skip

    def _refused(self, what: str) -> Answer:
        return Answer(400, orjson.dumps({"title": what, "status": 400}))

    def _json(self, content: Any) -> Answer:
        return Answer(200, self._in_its_form(orjson.dumps(content)))

    def _in_its_form(self, body: bytes) -> bytes:
        if not self.writes_dashes:
            return body
        return re.sub(rb'"([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})"', rb'"\1-\2-\3-\4-\5"', body)


def _handler(fake: FakeJellyfin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1
        timeout = 30

        def do_GET(self) -> None:
            if self.path == f"{fake.base_path}/socket" and fake.opens_socket(self.headers):  # type: ignore[arg-type]  # as below
                self.close_connection = True
                self.wfile.write(handshake(self.headers["Sec-WebSocket-Key"]))
                self.wfile.flush()
                self.connection.settimeout(None)
                socket = FakeSocket(self.rfile, self.wfile)
                fake.sockets.put(socket)
                with contextlib.suppress(OSError):
                    socket.hear()
                return
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            # A message is a mapping without regard to case.
            answer = fake.answer(self.command, self.path, self.headers, body)  # type: ignore[arg-type]
            if answer is None:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            headers = {
                "Date": format_datetime(fake.now(), usegmt=True),
                "Content-Type": "application/json",
                "Content-Length": len(answer.body),
            }
            for name, value in (headers | answer.headers).items():
                self.send_header(name, str(value))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(answer.body)
                self.wfile.flush()

        do_POST = do_DELETE = _answer  # noqa: N815

    return Handler


@contextlib.contextmanager
def serving(fake: Fake) -> Iterator[Fake]:
    """On a free port of this machine; its address is `fake.url`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake)) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_address[1]}{fake.base_path}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()


def plugin(name: str = "Webhook") -> dict[str, Any]:
    return {
        "Name": name, "Version": "18.0.0.0", "Description": "", "Id": WEBHOOK_PLUGIN, "CanUninstall": True, "HasImage": False,
        "Status": "Active",
    }  # fmt: skip
