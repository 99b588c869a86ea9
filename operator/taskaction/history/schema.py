"""Creation and migration of the tables of the history, by Alembic."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

from taskaction.history.store import open_engine, translated_errors

_LOCK = 7_263_187_001
"""Number of the advisory lock that migrations of one database take, so that only one runs at a time."""


async def migrate_tables(url: URL, revision: str = "head") -> None:
    """Bring the tables of a database to a revision; nothing changes if they are there already.

    Raises:
        HistoryError: the database does not answer, or refuses a change.
    """
    engine = open_engine(url).execution_options(isolation_level="SERIALIZABLE")
    try:
        async with translated_errors(), engine.begin() as connection:
            await connection.run_sync(_migrate, revision)
    finally:
        await engine.dispose()


def _migrate(connection: Connection, revision: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    config = Config()
    config.set_main_option("script_location", "taskaction.history:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
