"""palate connect webhook | revoke-webhooks"""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from app.commands.session import chosen_servers, command_engine
from app.connect.jellyfin_webhook import TEMPLATE
from app.db.live import create_webhook, revoke_webhooks
from app.db.servers import digest_of
from app.errors import BadInput
from app.secrets import new_key


class Sender(StrEnum):
    jellyfin = "jellyfin"
    emby = "emby"
    plex = "plex"


WHERE_TO_PASTE = {
    "jellyfin": f"""Jellyfin: Dashboard, Plugins, Webhook, Add Generic Destination. This address is its Webhook Url.
Notification types: Item Added, Item Deleted, Playback Start, Playback Progress, Playback Stop, User Data Saved.
Item types: Movies, Episodes, Season, Series. Tick Send All Properties; or leave that off, with this template:
{TEMPLATE}""",
    "emby": "Emby: Settings, Notifications, Add Webhook. This address, and the events of playback, users and the library.",
    "plex": "Plex: Settings, Webhooks, Add Webhook (it takes a Plex Pass). This address.",
}


def add_to(app: typer.Typer) -> None:
    app.command()(webhook)
    app.command("revoke-webhooks")(revoke_webhooks_)


def webhook(
    server: Annotated[str, typer.Option(help="The server that the webhook tells of.")],
    kind: Annotated[Sender | None, typer.Option(help="What sends it; without, the server's own kind.")] = None,
    address: Annotated[str | None, typer.Option(help="Where the media server finds Palate, as http://192.168.1.6:8000.")] = None,
) -> None:
    """Make a secret for a media server's webhook, and print the address to paste there, once.

    Example: palate connect webhook --server home --address http://192.168.1.6:8000
    """
    secret = new_key()
    with command_engine() as (settings, engine):
        [chosen] = chosen_servers(engine, server)
        sender = kind.value if kind else chosen.kind
        if sender not in WHERE_TO_PASTE:
            raise BadInput(f"{server} is a server of kind {chosen.kind}: say with --kind what sends the webhook.")
        with engine.begin() as connection:
            create_webhook(connection, chosen.id, digest_of(secret))
        own = address or f"http://{settings.host}:{settings.port}{settings.base_path}"
    print(f"{own.rstrip('/')}/webhooks/{sender}/{quote(chosen.external_id, safe='')}/{secret}")
    print(WHERE_TO_PASTE[sender], file=sys.stderr)


def revoke_webhooks_(server: Annotated[str, typer.Option(help="The server whose webhooks end.")]) -> None:
    """Revoke all secrets of a server's webhooks at once.

    Example: palate connect revoke-webhooks --server home
    """
    with command_engine() as (_, engine):
        [chosen] = chosen_servers(engine, server)
        with engine.begin() as connection:
            n_revoked = revoke_webhooks(connection, chosen.id, datetime.now(UTC))
    print(f"{n_revoked} revoked.")
