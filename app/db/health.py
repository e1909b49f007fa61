"""Whether the database can be used."""

from dataclasses import dataclass

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError


@dataclass(frozen=True)
class Health:
    """`fault` says what is wrong, in words; None: nothing."""

    fault: str | None
    revision: str | None = None
    n_live_spaces: int = 0


def check(engine: Engine, newest_revision: str) -> Health:
    try:
        with engine.connect() as connection:
            if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
                return Health("The database is empty. Run palate migrate.")
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
            if revision != newest_revision:
                return Health(
                    f"The database is at revision {revision}, this version needs {newest_revision}. Run palate migrate.", revision
                )
            n_live = connection.execute(text("SELECT count(*) FROM spaces WHERE status = 'live'")).scalar_one()
            return Health(None, revision, n_live)
    except SQLAlchemyError:
        return Health("The database does not answer.")
