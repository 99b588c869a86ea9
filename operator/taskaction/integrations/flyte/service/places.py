"""What an action of Flyte is called in Kubernetes: its namespace, its object's name, its labels; asks nobody."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flyteidl2.common.identifier_pb2 import ActionIdentifier

from taskaction.core.constants import TASK_LABEL
from taskaction.integrations.flyte.service.naming import object_name

PREFIX = "flyte.org/"
PROJECT, DOMAIN, RUN, ACTION = (f"{PREFIX}{name}" for name in ("project", "domain", "run", "action"))
ACTION_TYPE, IS_ROOT = f"{PREFIX}action-type", f"{PREFIX}is-root"
OUTPUT_BASE = f"{PREFIX}run-output-base"
"""Annotation with the run's folder, in which each action has folders of its own."""
_LABEL_CHARS = 63


@dataclass(frozen=True, slots=True)
class ActionKey:
    """A TaskAction's namespace and name."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ActionLocator:
    """Which namespace the actions of a project and domain are in.

    Attributes:
        default: the namespace of all that are not named.
        named: by ``project/domain``, or by ``project``.
    """

    default: str
    named: Mapping[str, str]

    @property
    def namespaces(self) -> frozenset[str]:
        """All namespaces that actions can be in."""
        return frozenset({self.default, *self.named.values()})

    def of(self, identifier: ActionIdentifier, action: str = "") -> ActionKey:
        """Return where the action is, or the one named ``action`` of the same run."""
        run = identifier.run
        namespace = self.named.get(f"{run.project}/{run.domain}") or self.named.get(run.project) or self.default
        return ActionKey(namespace, object_name(run.org, run.project, run.domain, run.name, action or identifier.name))


def attempt_folder(base: str, action: str, attempt: int) -> str:
    """Return the folder of an attempt's outputs; an action that has not started yet is in its first attempt."""
    return f"{base.rstrip('/')}/{action}/{max(attempt, 1)}"


def label_value(text: str) -> str:
    """Return ``text`` as far as a label can hold it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LABEL_CHARS].strip("-._")


def labels(identifier: ActionIdentifier, action_type: str, *, is_root: bool, title: str = "") -> dict[str, str]:
    """Return the labels by which people and programs find it; ``title`` is the name of the task or condition."""
    run = identifier.run
    named = {TASK_LABEL: value} if (value := label_value(title)) else {}
    return named | {
        PROJECT: run.project,
        DOMAIN: run.domain,
        RUN: run.name,
        ACTION: identifier.name,
        ACTION_TYPE: action_type,
        IS_ROOT: "true" if is_root else "false",
    }


def origin(parent_uid: str, action: str) -> str:
    """Return the origin of an enqueued action; ``parent_uid`` is empty for the root of a run."""
    return f"{parent_uid}/{action}"
