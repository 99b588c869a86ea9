"""Parts of the conformance tests: stand-ins for the services of a call, and checks of single values."""

import asyncio
import math
import time
from collections.abc import Awaitable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from taskaction.api.task_action import Link, Progress
from taskaction.core.constants import EXTERNAL_ID_CHARS, OUTPUT_LIMIT_BYTES
from taskaction.core.json_values import value_problem
from taskaction.lifecycle.outcomes import Failed, Limited, Paused, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.errors import MissingSourceError
from taskaction.plugin.json_schema import model_problem
from taskaction.plugin.secret_ledger import SearchRules, SecretLedger
from taskaction.plugin.secrets import Secret

T = TypeVar("T")
_TICK_SECONDS = 0.005
_UNKNOWN = "aNameThatNoModelHas"


class FixedSecrets(SecretLedger):
    """Stand-in for the Secrets of a namespace: ``{"name/key": "text"}``."""

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        super().__init__(_FixedTexts(dict(texts or {})), SearchRules("conformance", shortest_bytes=0))


class _FixedTexts:
    """Reader of a few texts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    async def read_secret(self, name: str, key: str, *, namespace: str | None = None) -> Secret:  # noqa: ARG002 - one only
        """Return the text; raises ``MissingSourceError``."""
        if (text := self._texts.get(f"{name}/{key}")) is None:
            raise MissingSourceError(f"Secret {name!r} has no key {key!r}")
        return Secret(text)


class RecordedReports:
    """Recorder of what an executor reports."""

    def __init__(self) -> None:
        self.progress_reports: list[Progress] = []
        self.links: list[Link] = []

    def progress(self, progress: Progress) -> None:
        """Keep it."""
        self.progress_reports.append(progress)

    def link(self, link: Link) -> None:
        """Keep it."""
        self.links.append(link)


class Heartbeat:
    """Meter of the longest time for which nothing else could run on the event loop."""

    longest = 0.0

    async def __aenter__(self) -> Self:
        self._last = time.monotonic()
        self._task = asyncio.create_task(self._beat())
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._note()
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._note()

    def _note(self) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._last - _TICK_SECONDS)
        self._last = now


async def capture_result(call: Awaitable[T]) -> tuple[T | None, BaseException | None]:
    """Return what ``call`` returned or raised; as values, since a task that ends by ``SystemExit`` ends the process."""
    try:
        return await call, None
    except BaseException as error:  # noqa: BLE001 - an executor may raise anything
        return None, error


def require(holds: bool, message: str) -> None:  # noqa: FBT001 - reads as assert does
    """Assert, also where Python was started with ``-O``."""
    if not holds:
        raise AssertionError(message)


def declares(kind: type[AbstractExecutor], attribute: str) -> bool:
    """Whether the author wrote the attribute, rather than inherited the contract's default."""
    return any(attribute in vars(base) for base in kind.__mro__ if base is not AbstractExecutor)


def refuse_unknown_names(attribute: str, model: type[BaseModel] | None, values: Mapping[str, Any]) -> None:
    """Raise unless ``model`` takes ``values``, and refuses them with a name that it does not have."""
    if model is None:
        return
    if values and (problem := model_problem(model, values, attribute.lower())) is not None:
        raise AssertionError(f"{attribute} refuses the {attribute.lower()} that the test gives: {problem}")
    try:
        model.model_validate({**values, _UNKNOWN: 1})
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        if any(_UNKNOWN in problem["loc"] for problem in found):
            return
    raise AssertionError(
        f"{attribute} takes a name that it does not have: derive it from taskaction.plugin.parameters.Parameters, "
        'or set extra="forbid"'
    )


def outcome_problem(outcome: object) -> str | None:
    """Return what is wrong with an outcome, or None if nothing is."""
    match outcome:
        case Succeeded():
            problem = _output_problem(outcome.output)
        case Pending() | Paused():
            problem = _waiting_problem(outcome)
        case Failed():
            problem = None if outcome.code and outcome.message else "a failure needs a code and a message"
        case Limited():
            problem = None if is_wait(outcome.retry_after) else f"retry_after is {outcome.retry_after!r}"
        case _:
            problem = "return Succeeded, Pending, Paused or Failed of taskaction.lifecycle.outcomes"
    return problem


def _waiting_problem(outcome: Pending | Paused) -> str | None:
    wait = outcome.poll_after
    name: object = outcome.external_id
    if not is_wait(wait) and not (wait is None and isinstance(outcome, Paused)):
        return f"poll_after is {wait!r}, no seconds from 0"
    if name is None or (isinstance(name, str) and 0 < len(name) <= EXTERNAL_ID_CHARS):
        return None
    return f"external_id is {str(name)[:32]!r}, no text of 1 to {EXTERNAL_ID_CHARS} characters"


def _output_problem(output: object) -> str | None:
    try:
        size = len(orjson.dumps(output))
    except (TypeError, RecursionError) as error:
        return f"the output is no JSON: {error}"
    if (changed := value_problem(output, "output")) is not None:
        return changed
    return None if size <= OUTPUT_LIMIT_BYTES else f"the output has {size} bytes, more than {OUTPUT_LIMIT_BYTES}"


def is_wait(seconds: object) -> bool:
    """Whether it is a finite number of seconds from 0."""
    return (
        isinstance(seconds, int | float) and not isinstance(seconds, bool) and math.isfinite(seconds) and seconds >= 0
    )
