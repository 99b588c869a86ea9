"""First migration: the table of objects, its indexes, and those for labels and words where PostgreSQL has them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "r0001"
down_revision = None

_TABLE = "taskaction_history"
_INDEXES = {
    "ended": ("ended_at", "uid"),
    "namespace": ("namespace", "ended_at", "uid"),
    "name": ("namespace", "name"),
    "phase": ("phase", "ended_at", "uid"),
    "provider": ("provider", "ended_at", "uid"),
    "owner": ("owner_uid",),
}


def upgrade() -> None:
    """Create the table and its indexes."""
    op.create_table(
        _TABLE,
        sa.Column("uid", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("namespace", sa.String(253), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("phase", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(128)),
        sa.Column("message", sa.Text),
        sa.Column("executor", sa.String(64)),
        sa.Column("provider_kind", sa.String(64)),
        sa.Column("provider", sa.String(253)),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("deleted_at", sa.BigInteger),
        sa.Column("duration", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner_kind", sa.String(64)),
        sa.Column("owner_name", sa.String(253)),
        sa.Column("owner_uid", sa.String(64)),
        sa.Column("labels", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    for name, columns in _INDEXES.items():
        op.create_index(f"{_TABLE}_{name}", _TABLE, list(columns))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE INDEX {_TABLE}_labels ON {_TABLE} USING gin (labels jsonb_path_ops)")
        if _has_trigrams():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            op.execute(f"CREATE INDEX {_TABLE}_message ON {_TABLE} USING gin (message gin_trgm_ops)")


def downgrade() -> None:
    """Remove the table."""
    op.drop_table(_TABLE)


def _has_trigrams() -> bool:
    """Whether the server ships ``pg_trgm``; without it a search for words reads every message."""
    return bool(op.get_bind().scalar(sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")))
