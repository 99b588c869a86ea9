"""Base classes of the project's errors, independent of kopf, HTTP and RPC.

TaskActionError
├── ConfigurationError      a setting is missing or invalid; the process must not start
├── DurationError           text that is not a Go-style duration
└── (cluster.errors.ClusterError, plugin.errors.ActionError: see there)
"""


class TaskActionError(Exception):
    """Base of every error that this project raises."""


class ConfigurationError(TaskActionError):
    """A setting is missing or invalid; the message names the setting and the remedy."""


class DurationError(TaskActionError, ValueError):
    """Text that is not a Go-style duration; a ``ValueError``, so that model validation reports it.

    The message does not quote the text, which may be private.
    """

    def __init__(self) -> None:
        super().__init__("invalid duration; use e.g. 90s, 1m30s or 2h")
