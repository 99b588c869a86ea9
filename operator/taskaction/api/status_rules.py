"""What the API server refuses of every status that says how work went: rules that fence off former owners.

They hold for whoever writes, also for one that has not noticed that it owns the object no more.
"""

from taskaction.api.enums import TERMINAL_PHASES
from taskaction.api.rules import cel, one_of, unchanged

FINISHED = one_of(TERMINAL_PHASES)


def fenced(what: str, outcome: tuple[str, ...]) -> list[dict[str, str]]:
    """Give the rules for ``what``, an action or a run, of whose end ``outcome`` are the fields."""
    kept = " && ".join(f"({unchanged(name)})" for name in outcome)
    return [
        cel(
            f"!(oldSelf.phase in {FINISHED}) || self.phase == oldSelf.phase",
            f"the {what} has finished and its phase stays: make a new {what} instead",
            fieldPath=".phase",
        ),
        cel(
            f"!(oldSelf.phase in {FINISHED}) || ({kept})",
            f"the {what} has finished, and {', '.join(outcome)} stay: make a new {what} instead",
        ),
        cel(
            "!has(oldSelf.claim) || (has(self.claim) && self.claim.epoch >= oldSelf.claim.epoch)",
            f"a newer owner has claimed the {what}: read it anew, its epoch never falls",
            fieldPath=".claim",
        ),
        cel(
            f"has(self.finishedAt) == (self.phase in {FINISHED})",
            "finishedAt is set with a terminal phase, and only then",
            fieldPath=".finishedAt",
        ),
    ]


def settled(what: str, fields: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Give the rules for the whole object: ``fields`` of the spec stay once it has finished, each with why."""
    return [
        cel(
            f"!(oldSelf.status.phase in {FINISHED}) || !has(self.spec.{name})"
            f" || (has(oldSelf.spec.{name}) && self.spec.{name} == oldSelf.spec.{name})",
            f"the {what} has finished{message}",
            fieldPath=f".spec.{name}",
        )
        for name, message in fields
    ]


def abort_stays(what: str) -> dict[str, str]:
    """Give the rule that nobody changes an abort, or takes it back."""
    return cel(
        "!has(oldSelf.abort) || (has(self.abort) && self.abort == oldSelf.abort)",
        f"an abort cannot be changed or taken back: make a new {what} instead",
        fieldPath=".abort",
    )
