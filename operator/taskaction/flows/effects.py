"""Events, effects and decisions of a run: plain values between the machine and the reconciler of runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from taskaction.flows.definition import YEAR
from taskaction.flows.privacy import Place, without_private
from taskaction.flows.state import Failure, FlowState

_VALUES = frozenset({"input", "output", "cause"})
"""Details of log entries that quote the state of the flow."""


@dataclass(frozen=True, slots=True)
class ActionEnded:
    """The action of a visit has ended.

    Attributes:
        result: the provider's last ActionStatus document.
        error: the error if the ``status`` of the document does not describe the end: ``ActionUnableToRun`` or
            ``ActionTimeout``.
        cause: the cause of the error.
    """

    visit: str
    result: Mapping[str, Any]
    error: str | None = None
    cause: Any = None


@dataclass(frozen=True, slots=True)
class ActionPaused:
    """The action of a visit is INACTIVE and waits for people, as ``details`` describe; None: it continues."""

    visit: str
    details: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Canceled:
    """The run must end."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class DataLimitExceeded:
    """The state of the flow is too large to be stored; the step that made it so is discarded."""

    message: str


@dataclass(frozen=True, slots=True)
class StepBudgetExceeded:
    """The next step takes more time or memory than any step may."""

    message: str


Event = ActionEnded | ActionPaused | Canceled | DataLimitExceeded | StepBudgetExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAction:
    """Start the action of a visit; repeated after a crash with the same values.

    Attributes:
        visit: identifies the action within the run, forever.
        url: of an Action Provider, or ``taskaction://KIND/NAME``.
        body: the input, including private parts, whose places are in ``private``.
        wait_time: the seconds after which the action ends with ``ActionTimeout``.
        inline: the action has no object of its own.
        problem: why the action cannot be started; its body is then empty.
    """

    visit: str
    state_name: str
    url: str
    body: Any
    scope: str | None = None
    run_as: str = "User"
    private: tuple[Place, ...] = ()
    wait_time: int = YEAR
    inline: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CancelAction:
    """Stop the action of a visit; its result is no longer needed."""

    visit: str


Effect = StartAction | CancelAction


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLogEntry:
    """One entry of the run's log; ``to_json`` omits private data.

    Attributes:
        minor: the entry is about an item of an inline Map.
    """

    time: datetime
    code: str
    details: Mapping[str, Any]
    minor: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON without private data."""
        return {"time": self.time.isoformat(), "code": self.code, "details": without_private(self.details)}

    def shorten(self, max_bytes: int) -> "FlowLogEntry":
        """Return the entry without private data; larger details have the sizes of values instead of the values."""
        details = without_private(self.details)
        if len(orjson.dumps(details)) > max_bytes:
            details = {
                name: {"bytes": len(orjson.dumps(value))} if name in _VALUES else value
                for name, value in details.items()
            }
        return replace(self, details=details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Outcome of a run.

    Attributes:
        output: the final state of the flow; None if the run failed.
        canceled: the run failed because it was canceled.
    """

    output: Any = None
    failure: Failure | None = None
    canceled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDecision:
    """Decision after events: the next state, and the effects that must follow once it is stored.

    Attributes:
        wake_at: when to step again without an event.
    """

    state: FlowState
    effects: tuple[Effect, ...] = ()
    entries: tuple[FlowLogEntry, ...] = ()
    wake_at: datetime | None = None
    outcome: Outcome | None = None
