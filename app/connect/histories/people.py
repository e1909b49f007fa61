"""Who a foreign history's people are here: as they were told to be, else of the same id or name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.connect.lenient import plain_id
from app.db import Connection
from app.db.servers import list_users
from app.errors import BadInput
from app.types import Server


@dataclass(frozen=True)
class Whose:
    """`everybody`: whose the whole history is; `told`: their ids and names in lower case to ours; `same`: ours by id and by name."""

    everybody: str | None
    told: Mapping[str, str]
    same: Mapping[str, str]

    def ours(self, people: Sequence[str]) -> str | None:
        """Our user whom somebody of these ids and names is; None where that is not known."""
        if self.everybody is not None:
            return self.everybody
        for known in (self.told, self.same):
            for name in people:
                if (found := known.get(name.casefold()) or known.get(plain_id(name) or "")) is not None:
                    return found
        return None

    @property
    def mapping(self) -> tuple[object, ...]:
        """As it was told: another one makes another import of the same file."""
        return self.everybody, sorted(self.told.items())


def whose(connection: Connection, server: Server, everybody: str | None, told: Sequence[str]) -> Whose:
    """`told` as THEIRS=OURS; ours by id or name. Raises BadInput for a user whom the server does not have, or has twice."""
    users = list_users(connection, server.id)
    ids = {user.external_id: user.external_id for user in users}
    names: dict[str, list[str]] = {}
    for user in users:
        names.setdefault(user.name.casefold(), []).append(user.external_id)

    def our(name: str) -> str:
        found = [ids[name]] if name in ids else names.get(name.casefold(), [])
        if len(found) != 1:
            raise BadInput(f"{server.external_id} has {'no user' if not found else 'more than one user'} {name}. Name one by their id.")
        return found[0]

    pairs = [pair.rpartition("=") for pair in told]
    if any(not theirs or not ours for theirs, _, ours in pairs):
        raise BadInput("--user is as THEIRS=OURS: their name or id there, and here.")
    # A number is an id that another server may have given to somebody else; Tautulli's are Plex' own.
    sure = {name.casefold(): name for name in ids if server.kind == "plex" or not name.isdecimal()}
    same = {name: found[0] for name, found in names.items() if len(found) == 1} | sure
    return Whose(None if everybody is None else our(everybody), {theirs.casefold(): our(ours) for theirs, _, ours in pairs}, same)
