"""Paths of an attempt's inputs and outputs, and the placeholders for them in a task's arguments; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from taskaction.integrations.flyte.executor.model import FlyteParameters
from taskaction.plugin.base import Run

_WORD = re.compile(r"\{\{\s*[.$]([A-Za-z]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class AttemptPaths:
    """Folders of one attempt; each attempt has its own, so that files of an earlier attempt cannot be mistaken.

    Attributes:
        outputs: the output path of the SDK, which looks for errors in that of the first attempt by itself.
        before: the checkpoints of the previous attempt; empty for the first.
    """

    outputs: str
    raw: str
    checkpoints: str
    before: str

    @classmethod
    def of(cls, parameters: FlyteParameters, attempt: int) -> "AttemptPaths":
        """Return the places of an attempt."""
        base = f"{parameters.run_output_base.rstrip('/')}/{parameters.action_name}"
        return cls(
            outputs=f"{base}/{attempt}",
            raw=_raw(parameters, attempt) or f"{base}/{attempt}/raw",
            checkpoints=f"{base}/{attempt}/_flytecheckpoints",
            before=f"{base}/{attempt - 1}/_flytecheckpoints" if attempt > 1 else "",
        )

    @property
    def error(self) -> str:
        """The file of a task's own error."""
        return f"{self.outputs}/error.pb"

    @property
    def result(self) -> str:
        """The file of a task's outputs."""
        return f"{self.outputs}/outputs.pb"


def _raw(parameters: FlyteParameters, attempt: int) -> str:
    prefix = parameters.raw_data_prefix.rstrip("/")
    return f"{prefix}/{parameters.run_name}/{parameters.action_name}/{attempt}" if prefix else ""


def words(parameters: FlyteParameters, run: Run, pod: str) -> Mapping[str, str]:
    """Return the values of Flyte's placeholders by lower-case name."""
    places = AttemptPaths.of(parameters, run.attempt)
    started = {"runstarttime": parameters.run_start_time} if parameters.run_start_time else {}
    return started | {
        "input": parameters.input_uri,
        "inputprefix": parameters.input_uri.rpartition("/")[0],
        "outputprefix": places.outputs,
        "rawoutputdataprefix": places.raw,
        "checkpointoutputprefix": places.checkpoints,
        "prevcheckpointprefix": places.before,
        "perretryuniquekey": run.idempotency_key,
        "runname": parameters.run_name,
        "actionname": parameters.action_name,
        "namespace": run.namespace,
        "podname": pod,
    }


def fill_words(text: str, known: Mapping[str, str]) -> str:
    """Return ``text`` with Flyte's placeholders replaced; unknown ones stay, since programs have their own."""
    return _WORD.sub(lambda found: known.get(found[1].lower(), found[0]), text)
