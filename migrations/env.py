"""Runs migrations on the connection that `migrations.migrate` hands over, or on PALATE_DATABASE_URL or the
embedded database when alembic is called by itself."""

from alembic import context
from sqlalchemy import Connection, text

from app.db.embedded import embedded_database
from app.db.engine import working_engine
from app.db.tables import metadata
from app.settings import Settings


def run(connection: Connection) -> None:
    # A migration that cannot get its lock gives up and is run again, rather than queueing everybody behind it.
    connection.execute(text("SET lock_timeout = '3s'"))
    connection.commit()
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


def run_from_command_line() -> None:
    settings = Settings()
    if settings.database_url is not None:
        with working_engine(settings.database_url.get_secret_value()).connect() as connection:
            run(connection)
        return
    with embedded_database(settings.data_dir) as database, working_engine(database.url).connect() as connection:
        run(connection)


given = context.config.attributes.get("connection")
if given is None:
    run_from_command_line()
else:
    run(given)
