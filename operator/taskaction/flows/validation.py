"""What a definition is checked for before it may be run: all of ``flows.program``, and portability where it is wanted.

Nothing here runs anything; what is found is a list of problems, each with its path. What providers say of their input
is checked by ``flows.bodies``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from taskaction.flows import definition as words
from taskaction.flows.errors import Problem, below
from taskaction.flows.expressions import expression
from taskaction.flows.functions import BEYOND_GLOBUS
from taskaction.flows.program import FlowProgram, compiled


def validated(document: Any, *, strict: bool = False) -> tuple[Problem, ...]:
    """Give everything that is wrong with a definition; with ``strict`` also what Globus Flows does not have."""
    program = compiled(document)
    if not isinstance(program, FlowProgram):
        return program
    return tuple(_beyond_globus(document)) if strict else ()


def _beyond_globus(document: Mapping[str, Any]) -> Iterator[Problem]:
    if "TimeoutSeconds" in document:
        yield Problem("$.TimeoutSeconds", "Globus Flows has no such field")
    for name, state in document["States"].items():
        yield from _state(state, below("$.States", name))


def _state(state: Mapping[str, Any], here: str) -> Iterator[Problem]:
    if state["Type"] in words.SUPERSET_STATES:
        yield Problem(f"{here}.Type", f"Globus Flows has no {state['Type']} states")
        return
    for field in sorted(words.SUPERSET_FIELDS & state.keys()):
        yield Problem(f"{here}.{field}", "Globus Flows has no such field")
    yield from _discarded(state, here)
    for number, catcher in enumerate(state.get("Catch") or ()):
        yield from _discarded(catcher, f"{here}.Catch[{number}]")
    yield from _address(state.get("ActionUrl"), f"{here}.ActionUrl")
    yield from _address((state.get("Handler") or {}).get("Url"), f"{here}.Handler.Url")
    if "Result" in state and not isinstance(state["Result"], Mapping):
        yield Problem(f"{here}.Result", "Globus Flows takes an object only")
    yield from _parameters(state.get("Parameters"), f"{here}.Parameters")


def _discarded(written: Mapping[str, Any], here: str) -> Iterator[Problem]:
    if "ResultPath" in written and written["ResultPath"] is None:
        yield Problem(f"{here}.ResultPath", "Globus Flows cannot discard a result: write it somewhere")


def _address(url: str | None, here: str) -> Iterator[Problem]:
    if url is not None and not url.startswith("https://"):
        yield Problem(here, "Globus Flows calls https:// only")


def _parameters(value: Any, here: str) -> Iterator[Problem]:
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from _parameters(one, f"{here}[{index}]")
    if not isinstance(value, Mapping):
        return
    for key, one in value.items():
        place = below(here, key)
        if key.endswith(".$"):
            if not one.startswith("$."):
                yield Problem(place, "Globus Flows wants a path that begins with $. and a name")
        elif key.endswith(".="):
            beyond = sorted(expression(one).called & BEYOND_GLOBUS)
            if beyond:
                yield Problem(place, f"Globus Flows documents no function {', '.join(beyond)}")
        else:
            yield from _parameters(one, place)
