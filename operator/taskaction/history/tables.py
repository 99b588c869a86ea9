"""Tables of the history in the database.

A change of a table needs a migration in ``migrations/versions`` with which the release before still works.
"""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData()
VERSION_TABLE = "taskaction_history_version"
"""Table in which Alembic stores the last migration."""

_KIND, _NAME, _UID, _CODE = String(64), String(253), String(64), String(128)

OBJECTS = Table(
    "taskaction_history",
    METADATA,
    Column("uid", _UID, primary_key=True),
    Column("kind", _KIND, nullable=False),
    Column("namespace", _NAME, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("phase", _KIND, nullable=False),
    Column("reason", _CODE),
    Column("message", Text),
    Column("executor", _KIND),
    Column("provider_kind", _KIND),
    Column("provider", _NAME),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Column("duration", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("owner_kind", _KIND),
    Column("owner_name", _NAME),
    Column("owner_uid", _UID),
    Column("labels", JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    Column("body", Text, nullable=False),
    Index("taskaction_history_ended", "ended_at", "uid"),
    Index("taskaction_history_namespace", "namespace", "ended_at", "uid"),
    Index("taskaction_history_name", "namespace", "name"),
    Index("taskaction_history_phase", "phase", "ended_at", "uid"),
    Index("taskaction_history_provider", "provider", "ended_at", "uid"),
    Index("taskaction_history_namespace_phase", "namespace", "phase", "ended_at", "uid"),
    Index("taskaction_history_namespace_reason", "namespace", "reason", "ended_at", "uid"),
    Index("taskaction_history_namespace_provider", "namespace", "provider", "ended_at", "uid"),
    Index("taskaction_history_children", "owner_uid", "ended_at", "uid"),
)
"""One row for each object that has finished or was deleted."""
