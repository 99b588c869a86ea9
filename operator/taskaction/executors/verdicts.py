"""Verdicts on the objects of attempts: what an observed state means, whatever the kind; pure.

Each kind has one function from bodies to a verdict, such as ``workloads.pod_states.read_pod_state``. A state that the
function does not know becomes ``Waiting`` or ``Running`` with a message that shows it, and never ends an attempt.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.lifecycle.outcomes import Failed


class Bound(Enum):
    """What limits a wait for the start."""

    START = auto()  # startTimeout
    IMAGE = auto()  # imageTimeout: the image cannot be pulled
    CONFIGURATION = auto()  # a short time, in which what is missing may still be created
    HOPELESS = auto()  # nothing: waiting cannot help
    UNLIMITED = auto()  # the attempt's own timeouts: another controller holds it back, or the state is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """State of work of which nothing runs.

    Attributes:
        problem: what keeps it from running; empty if the object does not say.
        unexplained: what to show after a while if no Event says it either; empty for a start that may just be slow.
        since: when the wait began, by the times in the status; None if they do not say.
        uid: the object whose Events may name the problem.
    """

    problem: str = ""
    unexplained: str = ""
    bound: Bound = Bound.START
    since: datetime | None = None
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """State of work that runs; ``message`` is what people should know about it, mostly empty."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """State of work that has succeeded, with its output."""

    output: Any = None


Verdict = Waiting | Running | Finished | Failed


def deletion_failure(kind: str, what: str) -> Failed:
    """Return the failure of an attempt whose object somebody else deleted."""
    return Failed(
        code=f"{kind}Deleted",
        message=f"{what} was deleted before it ended, and not by this action",
        kind=ErrorKind.SYSTEM,
        retry_class=RetryClass.SYSTEM,
    )
