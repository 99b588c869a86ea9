"""Migrations of the tables of the history; ``schema.migrate`` runs them with Alembic."""
