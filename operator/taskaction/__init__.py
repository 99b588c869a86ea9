"""A Kubernetes operator for which one custom resource is one action."""

from importlib.metadata import version

__version__ = version("taskaction-operator")
