"""Rules for the status of actions and runs, with which the API server fences off former owners.

They apply to every writer, also to a former owner that does not know yet that it lost the object.
"""

from taskaction.api.enums import TERMINAL_PHASES
from taskaction.api.rules import cel, cel_list, unchanged_expression

FINISHED = cel_list(TERMINAL_PHASES)


def fencing_rules(what: str, outcome: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rules for ``what``, an action or a run; ``outcome`` are the fields that describe its end."""
    kept = " && ".join(f"({unchanged_expression(name)})" for name in outcome)
    return [
        cel(
            f"!(oldSelf.phase in {FINISHED}) || self.phase == oldSelf.phase",
            f"the {what} has finished and its phase cannot change: create a new {what} instead",
            fieldPath=".phase",
        ),
        cel(
            f"!(oldSelf.phase in {FINISHED}) || ({kept})",
            f"the {what} has finished and {', '.join(outcome)} cannot change: create a new {what} instead",
        ),
        cel(
            "!has(oldSelf.claim) || (has(self.claim) && self.claim.epoch >= oldSelf.claim.epoch)",
            f"a newer owner has claimed the {what}: read it again; the epoch cannot decrease",
            fieldPath=".claim",
        ),
        cel(
            f"has(self.finishedAt) == (self.phase in {FINISHED})",
            "finishedAt must be set if and only if the phase is terminal",
            fieldPath=".finishedAt",
        ),
    ]


def finished_spec_rules(what: str, fields: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Return the rules that ``fields`` of the spec cannot change after the end, each with its message."""
    return [
        cel(
            f"!(oldSelf.status.phase in {FINISHED}) || !has(self.spec.{name})"
            f" || (has(oldSelf.spec.{name}) && self.spec.{name} == oldSelf.spec.{name})",
            f"the {what} has finished{message}",
            fieldPath=f".spec.{name}",
        )
        for name, message in fields
    ]


def abort_immutable_rule(what: str) -> dict[str, str]:
    """Return the rule that an abort cannot be changed or removed."""
    return cel(
        "!has(oldSelf.abort) || (has(self.abort) && self.abort == oldSelf.abort)",
        f"abort cannot be changed or removed: create a new {what} instead",
        fieldPath=".abort",
    )
