"""A control plane with one real node beside it, in namespaces of its own; Linux and root only."""
