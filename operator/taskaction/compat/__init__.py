"""Deprecated paths of the adapters of other projects, for one release."""
