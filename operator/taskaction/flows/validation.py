"""What a definition is checked for before it may be run: all of ``flows.program``, and portability where it is wanted.

Nothing here runs anything; what is found is a list of problems, each with its path. Bodies are not compared with the
input schemas of Action Providers yet: the checks of schemas live with the executors, which this package may not know.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from taskaction.flows import definition as words
from taskaction.flows.errors import Problem
from taskaction.flows.program import FlowProgram, compiled


def validated(document: Any, *, strict: bool = False) -> tuple[Problem, ...]:
    """Give everything that is wrong with a definition; with ``strict`` also what Globus Flows does not have."""
    program = compiled(document)
    if not isinstance(program, FlowProgram):
        return program
    return tuple(_beyond_globus(document, "$")) if strict else ()


def _beyond_globus(document: Mapping[str, Any], place: str) -> Iterator[Problem]:
    if "TimeoutSeconds" in document:
        yield Problem(f"{place}.TimeoutSeconds", "Globus Flows has no such field")
    for name, state in document["States"].items():
        here = f"{place}.States.{name}"
        if state["Type"] in words.SUPERSET_STATES:
            yield Problem(f"{here}.Type", f"Globus Flows has no {state['Type']} states")
        for field in sorted(words.SUPERSET_FIELDS & state.keys()):
            yield Problem(f"{here}.{field}", "Globus Flows has no such field")
        if "ResultPath" in state and state["ResultPath"] is None:
            yield Problem(f"{here}.ResultPath", "Globus Flows cannot discard a result: write it somewhere")
        if not str(state.get("ActionUrl") or "https://").startswith("https://"):
            yield Problem(f"{here}.ActionUrl", "Globus Flows calls https:// only")
