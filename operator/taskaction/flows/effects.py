"""What happens to a run, and what a run asks for: plain values between the machine and whoever runs flows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskaction.flows.definition import YEAR
from taskaction.flows.parameters import Place
from taskaction.flows.privacy import public
from taskaction.flows.state import Failure, FlowState


@dataclass(frozen=True, slots=True)
class ActionEnded:
    """The action of a visit has ended.

    Attributes:
        result: the provider's last ActionStatus document (reference section 1.4).
        error: a name of reference section 2.8 where it is not for the document's ``status`` to say how it ended:
            ``ActionUnableToRun`` or ``ActionTimeout``.
        cause: why, where there is an error.
    """

    visit: str
    result: Mapping[str, Any]
    error: str | None = None
    cause: Any = None


@dataclass(frozen=True, slots=True)
class ActionPaused:
    """The action of a visit is INACTIVE: it waits for people, and ``details`` say for what; None: it goes on again."""

    visit: str
    details: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Canceled:
    """The run is to end."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Overflowed:
    """The state of the flow has become larger than can be kept; the step that made it so is not taken."""

    message: str


Event = ActionEnded | ActionPaused | Canceled | Overflowed


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAction:
    """Start the action of a visit; asked for again after a crash, with the same values.

    Attributes:
        visit: names the action within the run, for ever.
        url: an Action Provider's, or ``taskaction://KIND/NAME``.
        body: what it is given, private parts and all; ``private`` says which parts those are.
        wait_time: the seconds after which it ends with ``ActionTimeout``.
        inline: it has no object of its own.
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


@dataclass(frozen=True, slots=True)
class CancelAction:
    """Stop the action of a visit; how it ends is of no interest any more."""

    visit: str


Effect = StartAction | CancelAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the run's log (reference section 2.16); ``to_json`` leaves out what is private.

    Attributes:
        minor: it is about one of the many items of an inline Map.
    """

    time: datetime
    code: str
    details: Mapping[str, Any]
    minor: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give it as people may see it."""
        return {"time": self.time.isoformat(), "code": self.code, "details": public(self.details)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run has ended.

    Attributes:
        output: the last state of the flow; None where it failed.
        canceled: it failed because people wanted it to end.
    """

    output: Any = None
    failure: Failure | None = None
    canceled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDecision:
    """What follows from events: the next state, and what must be done once it is on record.

    Attributes:
        wake_at: when to look again although nothing has happened.
    """

    state: FlowState
    effects: tuple[Effect, ...] = ()
    entries: tuple[Entry, ...] = ()
    wake_at: datetime | None = None
    outcome: Outcome | None = None
