"""Runs of Port become TaskActions here, and what becomes of these is told to Port; nothing is executed here."""
