"""Validation rules of a TaskAction: immutable fields, and the transitions that fence off former owners.

The rules are part of the model. Who may do what is decided by the admission policies (``crds/policies``).
"""

from typing import Any

from taskaction.api.enums import STARTED_PHASES, TERMINAL_PHASES, Phase
from taskaction.api.rules import add_immutable_rules, add_rules, at_creation, cel, cel_list, name_length_rule, rules
from taskaction.api.status_rules import add_abort_rules, add_fencing_rules, finished_spec_rules

MUTABLE_SPEC_FIELDS = frozenset({"suspend", "abort", "signal", "ttlSecondsAfterFinished", "priority"})
"""Mutable fields of the spec; every other field is immutable after creation."""

_STARTED = cel_list(STARTED_PHASES)
_WAITING = cel_list(set(Phase) - STARTED_PHASES - TERMINAL_PHASES)
_OUTCOME = (
    "reason",
    "error",
    "outputUri",
    "outputDigest",
    "finishedAt",
    "attempt",
)  # a rule cannot refer to output, which has no type


def object_rules(schema: dict[str, Any]) -> None:
    """Add the rules that refer to more than the spec or the status alone."""
    schema |= rules(
        name_length_rule(),
        at_creation(
            "!has(self.spec.parentRef) || self.spec.parentRef.kind != 'TaskAction'"
            " || self.spec.parentRef.name != self.metadata.name",
            "an action cannot be its own parent: name another parent",
            fieldPath=".spec.parentRef.name",
        ),
        *finished_spec_rules(
            "action",
            (
                ("abort", ": delete it to abort its children"),
                ("signal", " and accepts no signal: create a new action instead"),
            ),
        ),
    )


def spec_rules(schema: dict[str, Any]) -> None:
    """Add the rules of the spec."""
    fixed = [name for name in schema["properties"] if name not in MUTABLE_SPEC_FIELDS]
    add_rules(
        schema,
        at_creation("has(self.executor) != has(self.providerRef)", "set exactly one of executor and providerRef"),
    )
    add_immutable_rules(schema, fixed, "delete the action and create a new one")
    add_abort_rules(schema, "action")


def status_rules(schema: dict[str, Any]) -> None:
    """Add the transition rules; they also apply to a former owner that does not know that it lost the action."""
    add_fencing_rules(schema, "action", _OUTCOME)
    counted_down = "attempt cannot decrease: read the action again"
    add_rules(schema["properties"]["attempt"], cel("self >= oldSelf", counted_down))
    add_rules(
        schema,
        cel("!has(oldSelf.attempt) || has(self.attempt)", counted_down, fieldPath=".attempt"),
        cel(
            f"!(self.phase in {_WAITING}) || !(oldSelf.phase in {_STARTED})"
            " || (has(self.attempts) && size(self.attempts) > 0"
            " && has(self.attempts[size(self.attempts) - 1].endedAt))",
            "an action can wait again only after its attempt has ended: set endedAt of the last attempt",
            fieldPath=".attempts",
        ),
    )
