"""How many values of Secrets get out of a call: every field of every outcome, in every encoding; without a cluster.

`tests/integration/isolation` searches the same on a real API server, in objects, Events, log, metrics and terminal.
"""

import asyncio
import base64
import json
import random
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote, quote_plus

from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import Stage
from taskaction.control.objects.outputs import OutputLimit
from taskaction.control.task_actions.guard import CallFailedError, GuardedExecutor
from taskaction.core.constants import OUTPUT_LIMIT_BYTES
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded
from taskaction.plugin import AbstractExecutor, ActionExecutionError, Link, Progress, Run
from taskaction.testing.conformance_parts import FixedSecrets, RecordedReports

SECRETS = 200
LIMIT = OutputLimit(size=OUTPUT_LIMIT_BYTES, remedy="return a part of it")
LEAKS = Figure("secret_leaks", "leaks", Target(0))
ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda text: json.dumps(text)[1:-1],
    "utf-8 json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json twice": lambda text: json.dumps(json.dumps(text))[3:-3],
    "repr": lambda text: repr(text)[1:-1],
    "percent": lambda text: quote(text, safe=""),
    "percent of a path": lambda text: quote(text, safe="/:@!$&'()*+,;="),
    "form": quote_plus,
    "latin-1": lambda text: text.encode().decode("latin-1"),
    "basic": lambda text: base64.b64encode(f"ada:{text}".encode()).decode(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 within": lambda text: base64.b64encode(f"x{text}".encode()).decode(),
}


class Echo(AbstractExecutor):
    """Executor that puts what its target quotes into one kind of outcome."""

    ACTION_NAME = "echo"

    def __init__(self, encode: Callable[[str], str], end: Callable[[str], Outcome]) -> None:
        self._encode = encode
        self._end = end

    async def execute(self, run: Run) -> Outcome:
        """Report the value, and end with it."""
        text = self._encode((await run.secrets.read_secret("one", "key")).reveal())
        run.reporter.progress(Progress(message=text))
        run.reporter.link(_link(text))
        return self._end(text)


def _link(text: str) -> Link:
    return Link.model_construct(name=text, url=f"https://example.org/?q={text}")


def _raise(text: str) -> Outcome:
    raise ActionExecutionError(f"the target says: {text}", code=text)


ENDS: tuple[Callable[[str], Outcome], ...] = (
    lambda text: Succeeded(
        output={text: [text]}, message=text, external_id=text, output_uri=text, links=(_link(text),)
    ),
    lambda text: Failed(code=text, message=text, output=text, external_id=text),
    lambda text: Pending(poll_after=1, message=text, external_id=text, progress=Progress(message=text)),
    lambda text: Paused(message=text, external_id=text, links=(_link(text),)),
    lambda text: Limited(retry_after=1, message=text, key=text),
    _raise,
)


def measure(stage: Stage) -> Iterator[Row]:
    """Count the outcomes and reports in which a value can be found."""
    chooser = random.Random(7)  # noqa: S311 - the same values in each measurement
    signs = string.ascii_letters + string.digits + "/+=%&\"\\ <'äöü€"
    values = ["".join(chooser.choices(signs, k=chooser.randint(12, 40))).strip() + "x" for _ in range(SECRETS)]
    leaks = asyncio.run(count_leaks(values))
    stage.say(f"{SECRETS} values in {len(ENCODINGS)} encodings and {len(ENDS)} outcomes: {leaks} leaks")
    yield LEAKS.measured(leaks)


async def count_leaks(values: list[str]) -> int:
    """Return the number of calls that let a value out."""
    return sum([await _leaks(value, encode, end) for value in values for encode in ENCODINGS.values() for end in ENDS])


async def _leaks(value: str, encode: Callable[[str], str], end: Callable[[str], Outcome]) -> bool:
    reports, secrets = RecordedReports(), FixedSecrets({"one/key": value})
    now = datetime.now(UTC)
    run = Run(
        uid="uid",
        name="one",
        namespace="bench",
        attempt=1,
        parameters={},
        config={},
        idempotency_key="uid-1",
        started_at=now,
        reporter=reports,
        secrets=secrets,
        now=now,
    )
    guarded = GuardedExecutor(Echo(encode, end), partial(replace, run), reports, secrets, LIMIT)
    try:
        found: object = await guarded.execute()
    except CallFailedError as error:
        found = error.failure
    seen = f"{found} {vars(reports)}"
    return any(text in seen or repr(text)[1:-1] in seen for text in (value, encode(value)))


GROUP = Group("secrets", (LEAKS,), measure)
