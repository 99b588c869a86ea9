"""History: finished and deleted actions and runs in a database, which outlives their objects.

``records`` turns an object into a record, ``tables`` defines where records are stored, ``migrations`` changes these
tables from release to release, ``store`` talks to the database, and ``writer`` writes records in batches.
``reader`` reads and deletes rows by the statements of ``queries`` and ``statistics``, all within a scope (``scopes``).

May import: ``core``, ``api`` and ``flows``. No other package imports SQLAlchemy or Alembic, which are an extra.
"""
