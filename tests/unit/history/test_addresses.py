"""Addresses of databases: what is accepted, and errors that show no password."""

import pytest

from taskaction.history.addresses import parse_address


@pytest.mark.parametrize(
    ("address", "password", "expected"),
    [
        ("postgresql://u@db:5432/h", None, "postgresql+asyncpg://u@db:5432/h"),
        ("postgresql://u@db/h", "p/w", "postgresql+asyncpg://u:p%2Fw@db/h"),
        ("postgresql://u:old@db/h", "new", "postgresql+asyncpg://u:new@db/h"),
        ("postgresql://u:old@db/h?ssl=require", None, "postgresql+asyncpg://u:old@db/h?ssl=require"),
        ("sqlite:////data/history.db", None, "sqlite+aiosqlite:////data/history.db"),
    ],
)
def test_an_address_gets_the_driver_and_the_password(address, password, expected) -> None:
    assert parse_address(address, password).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("mysql://u:secret@db/h", "unknown database 'mysql'; use postgresql:// or sqlite:////folder/file.db"),
        ("secret@db", "invalid URL of a database; use e.g. postgresql://user@host:5432/database"),
        ("postgresql://u:secret@db:port/h", "invalid URL of a database"),
        ("sqlite:///history.db", "absolute path; use e.g. sqlite:////folder/file.db"),
        ("sqlite://", "absolute path"),
    ],
)
def test_an_invalid_address_is_refused_with_the_remedy(address, problem) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        parse_address(address, None)
    assert "secret" not in str(refused.value)
