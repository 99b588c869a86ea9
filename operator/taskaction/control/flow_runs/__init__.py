"""Flows in the cluster: what is kept of them, and what runs them; the language itself is ``taskaction.flows``."""
