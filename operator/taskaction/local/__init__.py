"""Runs without a cluster."""
