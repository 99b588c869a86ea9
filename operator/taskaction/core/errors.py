"""The root of the project's errors; knows nothing of kopf, HTTP or RPC.

TaskActionError
├── ConfigurationError      a setting is missing or wrong; the process should not start
├── DurationError           text that is no Go-style duration
└── (cluster.errors.ClusterError, executors.errors.ActionError: see there)
"""


class TaskActionError(Exception):
    """Base of every error that this project raises on purpose."""


class ConfigurationError(TaskActionError):
    """A setting is missing or wrong; the message names the setting and the mend."""


class DurationError(TaskActionError, ValueError):
    """Text that is no Go-style duration; a ``ValueError`` so that model validation reports it."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no duration: write for example 90s, 1m30s or 2h")
