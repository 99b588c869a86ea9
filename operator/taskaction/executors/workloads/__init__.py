"""Executors that run containers with the rights of the action's account, and what they share."""
