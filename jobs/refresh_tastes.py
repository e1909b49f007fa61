"""refresh-tastes: the tastes of a server's users in every live space, and in the text space that is kept, in bulk: a fixed number of
statements per thousand users."""

from collections.abc import Collection
from datetime import datetime

from app.db import Engine, servers, spaces, tastes
from app.taste.compute import Users, compute_tastes
from app.taste.recipes import Recipe, recipe_of
from app.types import Progress, Space, unseen

USERS_PER_BATCH = 1_000


def refresh_tastes(engine: Engine, server_id: int, now: datetime, progress: Progress) -> int:
    """Recompute the tastes of everybody, and the item statistics. Returns how many tastes were written."""
    with engine.begin() as connection:
        tastes.forget_tastes(connection, server_id)
        tastes.write_statistics(connection, server_id)
        fresh = spaces.fresh_spaces(connection, server_id)
    return sum(refresh_space(engine, space, now, progress) for space in fresh)


def refresh_space(engine: Engine, space: Space, now: datetime, progress: Progress) -> int:
    """Recompute everybody's taste in one space, live, kept or about to be live."""
    with engine.begin() as connection:
        recipe = recipe_of(servers.get_server(connection, space.server_id), space.kind)
        users = tastes.users_with_engagement(connection, space.server_id)
    return _refresh(engine, space, recipe, users, now, progress)


def refresh_users(engine: Engine, space: Space, user_ids: Collection[int], now: datetime) -> int:
    """Only these."""
    with engine.begin() as connection:
        recipe = recipe_of(servers.get_server(connection, space.server_id), space.kind)
        users = [user for user in tastes.users_with_engagement(connection, space.server_id) if user[0] in user_ids]
    return _refresh(engine, space, recipe, users, now, unseen)


def refresh_stale(engine: Engine, server_id: int, now: datetime, progress: Progress) -> int:
    """Recompute tastes that are missing, older than their user's engagement, due by the clock, or of other weights than the server's."""
    n_tastes = 0
    with engine.begin() as connection:
        server = servers.get_server(connection, server_id)
        fresh = spaces.fresh_spaces(connection, server_id)
    for space in fresh:
        recipe = recipe_of(server, space.kind)
        with engine.begin() as connection:
            users = tastes.stale_users(connection, space, recipe.name, now)
        n_tastes += _refresh(engine, space, recipe, users, now, progress)
    return n_tastes


def refresh_user(engine: Engine, server_id: int, user_id: int, now: datetime) -> int:
    with engine.begin() as connection:
        fresh = spaces.fresh_spaces(connection, server_id)
    return sum(refresh_users(engine, space, {user_id}, now) for space in fresh)


def _refresh(engine: Engine, space: Space, recipe: Recipe, users: Users, now: datetime, progress: Progress) -> int:
    for start in range(0, len(users), USERS_PER_BATCH):
        batch = users[start : start + USERS_PER_BATCH]
        with engine.begin() as connection:
            tastes.write_tastes(connection, space, compute_tastes(connection, space, recipe, batch, now), now)
        progress(start + len(batch), len(users))
    return len(users)
