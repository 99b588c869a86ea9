"""Where an attempt finds its inputs and leaves what it makes, and the words for that in a task's arguments; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from taskaction.integrations.flyte.executor.model import FlyteParameters
from taskaction.plugin.base import Run

_WORD = re.compile(r"\{\{\s*[.$]([A-Za-z]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one attempt, each of its own, so that nothing of an earlier attempt is taken for this one's.

    Attributes:
        outputs: what the SDK calls the output path; the first attempt's is where it looks for errors by itself.
        before: the checkpoints of the attempt before, empty for the first.
    """

    outputs: str
    raw: str
    checkpoints: str
    before: str

    @classmethod
    def of(cls, parameters: FlyteParameters, attempt: int) -> "Places":
        """Give the places of an attempt."""
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
    """Give what Flyte's words stand for, each in lower case."""
    places = Places.of(parameters, run.attempt)
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


def filled(text: str, known: Mapping[str, str]) -> str:
    """Give ``text`` with the words filled in; what is no word of Flyte's stays as it is, since programs have theirs."""
    return _WORD.sub(lambda found: known.get(found[1].lower(), found[0]), text)
