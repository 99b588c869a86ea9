"""Whether pods truly run beside a control plane, are played by kwok, or stay as they are; the decision is pure."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cluster import equipment
from cluster.binaries import GO_REQUIRED, Cache, go_version
from cluster.equipment import REAL, SIMULATED, Equipment
from cluster.errors import ClusterError
from cluster.node import probe

WISH = "TASKACTION_NODE"
UNKNOWN = "{wish}={word} is none of real, kwok and none: use one of them, or unset it for the best that can be had."
FOREIGN = "KUBEBUILDER_ASSETS names a control plane whose version a node of this project's may not fit"


class Way(StrEnum):
    """What becomes of pods."""

    REAL = "real"
    SIMULATED = "kwok"
    NONE = "none"


@dataclass(frozen=True)
class Pods:
    """What becomes of pods here, and why they do not truly run."""

    way: Way
    why: str = ""

    def __str__(self) -> str:
        """Print it to people."""
        match self.way:
            case Way.REAL:
                return "pods run, on a node of their own"
            case Way.SIMULATED:
                return f"pods are simulated by kwok and do not truly run: {self.why}"
            case Way.NONE:
                return f"pods stay pending, there is no node: {self.why}"


@dataclass(frozen=True)
class Surroundings:
    """What the decision depends on; the questions are asked only when it comes to them."""

    env: Mapping[str, str]
    obstacle: Callable[[], str | None]
    """What keeps this machine from running a node."""
    lacking: Callable[[Equipment], str | None]
    """What keeps programs from being built that are not there yet."""

    @classmethod
    def here(cls, control_plane: Path | None = None) -> "Surroundings":
        """Look at this machine, and at the folder of the control plane that a node would join."""
        foreign = control_plane not in {None, Cache().folder}
        return cls(os.environ, probe.obstacle, lambda needed: FOREIGN if foreign else lacking(needed))


def choose(around: Surroundings) -> Pods:
    """Return the truest way that is open, or the one that the user wishes."""
    wish = around.env.get(WISH, "")
    if wish and wish not in list(Way):
        raise ClusterError(UNKNOWN.format(wish=WISH, word=wish))
    why = f"{WISH}={wish}" if wish else ""
    if wish == Way.NONE:
        return Pods(Way.NONE, why)
    if wish != Way.SIMULATED:
        why = around.obstacle() or around.lacking(REAL) or ""
        if not why:
            return Pods(Way.REAL)
        if wish == Way.REAL:
            raise ClusterError(f"{WISH}={wish}, but a real node cannot run here: {why}")
    missing = around.lacking(SIMULATED)
    if not missing:
        return Pods(Way.SIMULATED, why)
    if wish == Way.SIMULATED:
        raise ClusterError(f"{WISH}={wish}, but kwok cannot be had: {missing}")
    return Pods(Way.NONE, why)


def lacking(needed: Equipment) -> str | None:
    """Print what is needed to build programs, unless they are there."""
    if equipment.are_built(needed):
        return None
    if (go_version() or (0, 0)) < GO_REQUIRED:
        return f"its programs have to be built first: install Go {'.'.join(map(str, GO_REQUIRED))} or newer"
    tools = [tool for tool in needed.tools if not shutil.which(tool)]
    if tools:
        return f"its programs have to be fetched first, which needs {' and '.join(tools)} (Debian, Ubuntu)"
    return None
