"""Use cases: gather, step, apply, with one status write."""
