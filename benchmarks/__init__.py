"""Measures the operator on a real API server of its own; `make bench` runs it."""
