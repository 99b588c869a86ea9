"""One module for each migration, in order. A published one never changes."""
