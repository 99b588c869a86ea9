"""Environment of Alembic: runs the migrations on the connection that ``schema.migrate_tables`` passes."""

from alembic import context

from taskaction.history.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
