"""Executors that run containers: what they share; each acts by the rights of the action's account."""
