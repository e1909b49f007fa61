"""What a user hid, and erasing a user: /users/{user_id}/..."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from app.api.auth import Credentials, open_server
from app.api.parameters import ItemPath, ServerId, UserPath
from app.api.problems import documented
from app.api.readers import Reader, open_to_read
from app.api.write_slots import WriteSlot
from app.db import hidden
from app.db.asker import find_asker
from app.db.erase import erase_user
from app.errors import UnknownUser

router = APIRouter(prefix="/users/{user_id}", tags=["users"], responses=documented(401, 403, 404, 422, 503))


@router.get("/hidden")
def get_hidden(request: Request, reader: Reader, server_id: ServerId, user_id: UserPath) -> dict[str, Any]:
    """What this user hid, newest first. What they may not open now is not named."""
    with request.app.state.serve.begin() as connection:
        server = open_to_read(connection, request, reader, server_id, user_id)
        asker = find_asker(connection, server.id, user_id, None)
        if asker is None:
            raise UnknownUser
        items = hidden.list_hidden(connection, server, asker.viewer)
    return {
        "items": [
            {"item_id": item.external_id, "name": item.name, "type": item.kind, "year": item.year, "hidden_at": item.hidden_at}
            for item in items
        ]
    }


@router.post("/hidden/{item_id:path}")
def hide(request: Request, key: Credentials, server_id: ServerId, user_id: UserPath, item_id: ItemPath, _slot: WriteSlot) -> dict[str, Any]:
    """Never suggest this title to this user. Of an episode or a season, the series is meant; the answer names it."""
    with request.app.state.work.begin() as connection:
        server = open_server(connection, request, key, "ingest", server_id)
        title = hidden.hide(connection, server.id, user_id, item_id)
    request.app.state.reads.wrote(server_id, [user_id])
    return {"item_id": title, "hidden": True}


@router.delete("/hidden/{item_id:path}")
def unhide(
    request: Request, key: Credentials, server_id: ServerId, user_id: UserPath, item_id: ItemPath, _slot: WriteSlot
) -> dict[str, Any]:
    """Take the hiding of this title back, however it was hidden."""
    with request.app.state.work.begin() as connection:
        server = open_server(connection, request, key, "ingest", server_id)
        title = hidden.unhide(connection, server.id, user_id, item_id)
    request.app.state.reads.wrote(server_id, [user_id])
    return {"item_id": title, "hidden": False}


@router.delete("")
def erase(request: Request, key: Credentials, server_id: ServerId, user_id: UserPath, _slot: WriteSlot) -> dict[str, Any]:
    """Erase a user: plays, signals, tastes, slates. What is sent of them later is refused."""
    with request.app.state.work.begin() as connection:
        server = open_server(connection, request, key, "admin", server_id)
        erased = erase_user(connection, server.id, user_id, datetime.now(UTC))
    request.app.state.reads.wrote(server_id, [user_id])
    return {"user_id": user_id, "erased": asdict(erased)}
