"""Paths of an attempt's inputs and outputs, and the placeholders for them in a task's arguments; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from taskaction.integrations.flyte.executor.model import FlyteParameters
from taskaction.plugin.base import Run

_FILE = "file://"
_PROTO = ".pb"
_WORD = re.compile(r"\{\{\s*[.$]([A-Za-z]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class AttemptPaths:
    """Folders of one attempt; each attempt has its own, so that files of an earlier attempt cannot be mistaken.

    Attributes:
        outputs: the output path of the SDK, which looks for errors in that of the first attempt by itself.
        raw: the raw data prefix; on a volume a plain path, because the SDK takes a prefix of ``file://`` for a
            relative path.
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
            raw=_plain_path(_raw(parameters, attempt) or f"{base}/{attempt}/raw"),
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


def _plain_path(uri: str) -> str:
    """Return the path of a URI of ``file``; any other URI unchanged."""
    return uri.removeprefix(_FILE) if uri.startswith(f"{_FILE}/") else uri


def input_file(uri: str) -> str:
    """Return the file with a task's inputs, of which Flyte names the file itself or its folder."""
    folder, _, name = uri.rpartition("/")
    if name.endswith(_PROTO):
        return uri
    return f"{uri.rstrip('/') if name else folder}/inputs{_PROTO}"


def words(parameters: FlyteParameters, run: Run, pod: str) -> Mapping[str, str]:
    """Return the values of Flyte's placeholders by lower-case name."""
    places, inputs = AttemptPaths.of(parameters, run.attempt), input_file(parameters.input_uri)
    started = {"runstarttime": parameters.run_start_time} if parameters.run_start_time else {}
    return started | {
        "input": inputs,
        "inputprefix": inputs.rpartition("/")[0],
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
