"""Addresses of databases as users write them, and as SQLAlchemy wants them."""

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.engine import URL

DatabaseUrl = URL
"""Address of a database with its driver, for those who may not import SQLAlchemy."""

_DRIVERS = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}


def parse_address(address: str, password: str | None) -> DatabaseUrl:
    """Return the URL with the project's driver; ``password`` replaces the one in the address, if it has any.

    Raises:
        ValueError: the address is invalid; the message does not quote it, since it may contain a password.
    """
    try:
        url = make_url(address)
    except Exception:  # noqa: BLE001 - its message quotes the address
        raise ValueError("invalid URL of a database; use e.g. postgresql://user@host:5432/database") from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise ValueError(f"unknown database {url.drivername!r}; use postgresql:// or sqlite:////folder/file.db")
    if driver == _DRIVERS["sqlite"] and not Path(url.database or "").is_absolute():
        raise ValueError("the file of a SQLite database needs an absolute path; use e.g. sqlite:////folder/file.db")
    return url.set(drivername=driver, password=password if password is not None else url.password)
