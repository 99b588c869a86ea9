"""Run one example and compare how it ends with what it promises; used by the demo and by the tests of the examples.

`expected/phases.yaml` (in a folder of its own, so that `kubectl apply -f` of the example leaves it out) maps each
TaskAction to the phase it ends in (`Gone`: it is deleted), each run of a flow as `actionflowrun/NAME`, and the last
object that a schedule has made as `schedule/NAME`.
`needs: pods` marks an example that only ends where a node runs its pods.
Under `steps` it may list argument lists for kubectl, run one after the other once the manifests are applied.
"""

import json
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.processes import pause_seconds
from local.manifests import ROOT

EXAMPLES = ROOT / "examples"
EXPECTED = "expected/phases.yaml"
TERMINAL = frozenset({"Succeeded", "Failed", "Aborted", "TimedOut"})
GONE = "Gone"
SCHEDULE_LABEL = "taskaction.dev/schedule"
LOOK_SECONDS = 0.2
EXAMPLE_SECONDS = 120

Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """How one action or run of an example ended."""

    example: str
    action: str
    expected: str
    phase: str
    attempts: int = 0
    message: str = ""

    @property
    def holds(self) -> bool:
        """Whether it ended as promised."""
        return self.phase == self.expected


@dataclass(frozen=True)
class Example:
    """One folder of examples."""

    folder: Path
    expected: dict[str, str]
    steps: list[list[str]] = field(default_factory=list)
    needs_pods: bool = False

    @classmethod
    def read(cls, folder: Path) -> "Example":
        """Read what an example promises."""
        content = dict(yaml.safe_load((folder / EXPECTED).read_text()) or {})
        steps = [[str(word) for word in step] for step in content.pop("steps", [])]
        needs_pods = content.pop("needs", None) == "pods"
        return cls(folder, {str(name): str(phase) for name, phase in content.items()}, steps, needs_pods)

    @property
    def name(self) -> str:
        """The folder's name, which is also that of the namespace it runs in."""
        return self.folder.name

    @property
    def manifests(self) -> list[Path]:
        """The files to apply, in order."""
        return sorted(self.folder.glob("*.yaml"))

    def run(self, kubectl: Kubectl, *, say: Say, seconds: float = EXAMPLE_SECONDS) -> list[Result]:
        """Apply, follow to the end, and give one result per expected action."""
        watch = Follower(kubectl, say)
        for path in self.manifests:
            kubectl("apply", "-f", str(path))
            watch.look()
        for step in self.steps:
            say(f"           kubectl {shlex.join(step)}")
            kubectl(*step, timeout=seconds)
            watch.look()
        watch.follow(
            lambda found: all(is_settled(found.get(name), phase) for name, phase in self.expected.items()), seconds
        )
        return [to_result(self.name, name, phase, watch.found.get(name)) for name, phase in self.expected.items()]


class Follower:
    """Looks at a namespace's actions and says what has changed, like `kubectl get -w`."""

    def __init__(self, kubectl: Kubectl, say: Say) -> None:
        """Start the clock."""
        self.found: dict[str, dict[str, Any]] = {}
        self._kubectl = kubectl
        self._say = say
        self._begun = time.monotonic()

    def follow(self, is_over: Callable[[dict[str, dict[str, Any]]], bool], seconds: float) -> None:
        """Look until it is over, or until the time is up: what is missing then shows in the results."""
        while True:
            begun = time.monotonic()
            self.look()
            if is_over(self.found) or time.monotonic() - self._begun > seconds:
                return
            time.sleep(pause_seconds(time.monotonic() - begun, every=LOOK_SECONDS))

    def look(self) -> None:
        """Look once."""
        items = json.loads(self._kubectl("get", "actionflowruns,taskactions", "-o", "json"))["items"]
        found = {known_as(item): item for item in items}
        for name in sorted(found.keys() | self.found.keys()):
            if (now := line(found.get(name))) != line(self.found.get(name)):
                self._say(f"  {time.monotonic() - self._begun:6.1f} s {name:<36} {now}")
        self.found = found


def read_all(folder: Path = EXAMPLES) -> list[Example]:
    """Read every example, in the order of the numbers."""
    folders = sorted(path.parents[1] for path in folder.glob(f"[0-9][0-9]-*/{EXPECTED}"))
    if not folders:
        raise ClusterError(f"There are no examples in {folder}: check out the whole repository.")
    return [Example.read(path) for path in folders]


def known_as(item: dict[str, Any]) -> str:
    """Return what an object is called in promises; the names of what a schedule makes depend on the time."""
    if schedule := item["metadata"].get("labels", {}).get(SCHEDULE_LABEL):
        return f"schedule/{schedule}"
    name = str(item["metadata"]["name"])
    return name if item["kind"] == "TaskAction" else f"{item['kind'].lower()}/{name}"


def is_settled(item: dict[str, Any] | None, expected: str) -> bool:
    """Whether nothing more is to be waited for: the promise holds, or the action has ended otherwise."""
    phase = phase_of(item)
    return phase == expected or (phase in TERMINAL and expected != GONE)


def phase_of(item: dict[str, Any] | None) -> str:
    """Return an action's phase."""
    return item.get("status", {}).get("phase", "Queued") if item else GONE


def line(item: dict[str, Any] | None) -> str:
    """Return an action's state in a line."""
    return f"{phase_of(item):<20} {message_of(item)}".rstrip()


def message_of(item: dict[str, Any] | None) -> str:
    """Return what an action says about itself: its error, unless it went on well from there, else its progress."""
    status = item.get("status", {}) if item else {}
    error = (status.get("error") or {}).get("message") if status.get("phase") != "Succeeded" else None
    said = error or (status.get("progress") or {}).get("message")
    said = said or status.get("message") or ""
    return " ".join(str(said).split())


def to_result(example: str, name: str, expected: str, item: dict[str, Any] | None) -> Result:
    """Compare one action with its promise."""
    attempts = int((item or {}).get("status", {}).get("attempt") or 0)
    return Result(example, name, expected, phase_of(item), attempts, message_of(item))
