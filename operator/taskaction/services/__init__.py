"""Processes of their own in front of the kernel."""
