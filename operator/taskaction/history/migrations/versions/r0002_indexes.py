"""Second migration: indexes for lists within a namespace, and for the children of a parent."""

from alembic import op

revision = "r0002"
down_revision = "r0001"

_TABLE = "taskaction_history"
_INDEXES = {
    "namespace_phase": ("namespace", "phase", "ended_at", "uid"),
    "namespace_reason": ("namespace", "reason", "ended_at", "uid"),
    "namespace_provider": ("namespace", "provider", "ended_at", "uid"),
    "children": ("owner_uid", "ended_at", "uid"),
}


def upgrade() -> None:
    """Create the indexes; that of children replaces the one without an order."""
    for name, columns in _INDEXES.items():
        op.create_index(f"{_TABLE}_{name}", _TABLE, list(columns))
    op.drop_index(f"{_TABLE}_owner", _TABLE)


def downgrade() -> None:
    """Return to the index without an order."""
    op.create_index(f"{_TABLE}_owner", _TABLE, ["owner_uid"])
    for name in _INDEXES:
        op.drop_index(f"{_TABLE}_{name}", _TABLE)
