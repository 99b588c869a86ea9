"""A Kubernetes operator for which one custom resource is one action."""

__version__ = "0.1.0"
