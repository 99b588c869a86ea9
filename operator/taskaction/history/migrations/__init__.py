"""Migrations of the tables of the history; ``schema.migrate_tables`` runs them with Alembic."""
