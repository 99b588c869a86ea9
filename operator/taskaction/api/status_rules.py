"""Rules for actions and runs that hold for every writer: the API server fences off former owners with them.

They also apply to a former owner that does not know yet that it lost the object. They are evaluated at every write of a
status, so most of them are on the field itself (see ``rules``).
"""

from typing import Any

from taskaction.api.enums import TERMINAL_PHASES
from taskaction.api.rules import add_rules, cel, cel_list, unchanged_expression

FINISHED = cel_list(TERMINAL_PHASES)


def add_fencing_rules(schema: dict[str, Any], what: str, outcome: tuple[str, ...]) -> None:
    """Add the rules of the status of ``what``, an action or a run; ``outcome`` are the fields that describe its end."""
    fields = schema["properties"]
    add_rules(
        fields["phase"],
        cel(
            f"!(oldSelf in {FINISHED}) || self == oldSelf",
            f"the {what} has finished and its phase cannot change: create a new {what} instead",
        ),
    )
    newer_owner = f"a newer owner has claimed the {what}: read it again; the epoch cannot decrease"
    add_rules(fields["claim"], cel("self.epoch >= oldSelf.epoch", newer_owner))
    kept = " && ".join(f"({unchanged_expression(name)})" for name in outcome)
    add_rules(
        schema,
        cel(
            f"!(oldSelf.phase in {FINISHED}) || ({kept})",
            f"the {what} has finished and {', '.join(outcome)} cannot change: create a new {what} instead",
        ),
        cel("!has(oldSelf.claim) || has(self.claim)", newer_owner, fieldPath=".claim"),
        cel(
            f"has(self.finishedAt) == (self.phase in {FINISHED})",
            "finishedAt must be set if and only if the phase is terminal",
            fieldPath=".finishedAt",
        ),
    )


def finished_spec_rules(what: str, fields: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    """Return the rules that ``fields`` of the spec cannot change after the end, each with its message."""
    return [
        cel(
            f"!has(self.spec.{name}) || !(oldSelf.status.phase in {FINISHED})"
            f" || (has(oldSelf.spec.{name}) && self.spec.{name} == oldSelf.spec.{name})",
            f"the {what} has finished{message}",
            fieldPath=f".spec.{name}",
        )
        for name, message in fields
    ]


def add_abort_rules(schema: dict[str, Any], what: str) -> None:
    """Add the rules that an abort cannot be changed or removed."""
    message = f"abort cannot be changed or removed: create a new {what} instead"
    add_rules(schema["properties"]["abort"], cel("self == oldSelf", message))
    add_rules(schema, cel("!has(oldSelf.abort) || has(self.abort)", message, fieldPath=".abort"))
