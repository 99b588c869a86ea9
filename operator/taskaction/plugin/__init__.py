"""The executor contract."""
