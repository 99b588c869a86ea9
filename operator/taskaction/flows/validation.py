"""Validation of a definition: everything that ``flows.program`` checks, and optionally portability to Globus Flows.

The data of the flow are followed, too (``flows.dataflow``). The result is a list of problems with their paths. The
input schemas of providers are checked with ``flows.bodies``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from taskaction.flows import definition as words
from taskaction.flows.dataflow import find_certain_failures
from taskaction.flows.errors import Problem, child_path
from taskaction.flows.expressions import parse_expression
from taskaction.flows.functions import BEYOND_GLOBUS
from taskaction.flows.input_shapes import shape_of_input
from taskaction.flows.knowledge import GLOBUS_CONTEXT
from taskaction.flows.program import FlowProgram, compile_definition


def validate_definition(
    document: Any, *, strict: bool = False, input_schema: Mapping[str, Any] | None = None
) -> tuple[Problem, ...]:
    """Return all problems of a definition; with ``strict`` also everything that Globus Flows does not support.

    ``input_schema`` is a JSON Schema of the input of every run.
    """
    program = compile_definition(document)
    if not isinstance(program, FlowProgram):
        return program
    given = shape_of_input(input_schema)
    failures = find_certain_failures(program, given)
    if not strict:
        return failures
    found = {one.path for one in failures}
    at_globus = find_certain_failures(program, given, GLOBUS_CONTEXT)
    only_there = (Problem(one.path, f"in Globus Flows, {one.message}") for one in at_globus if one.path not in found)
    return (*failures, *only_there, *_beyond_globus(document))


def _beyond_globus(document: Mapping[str, Any]) -> Iterator[Problem]:
    if "TimeoutSeconds" in document:
        yield Problem("$.TimeoutSeconds", "Globus Flows has no such field")
    for name, state in document["States"].items():
        yield from _state(state, child_path("$.States", name))


def _state(state: Mapping[str, Any], here: str) -> Iterator[Problem]:
    if state["Type"] in words.SUPERSET_STATES:
        yield Problem(f"{here}.Type", f"Globus Flows has no {state['Type']} states")
        return
    for field in sorted(words.SUPERSET_FIELDS & state.keys()):
        yield Problem(f"{here}.{field}", "Globus Flows has no such field")
    yield from _check_result_path(state, here)
    for number, catcher in enumerate(state.get("Catch") or ()):
        yield from _check_result_path(catcher, f"{here}.Catch[{number}]")
    yield from _address(state.get("ActionUrl"), f"{here}.ActionUrl")
    yield from _address((state.get("Handler") or {}).get("Url"), f"{here}.Handler.Url")
    if "Result" in state and not isinstance(state["Result"], Mapping):
        yield Problem(f"{here}.Result", "Globus Flows takes an object only")
    yield from _parameters(state.get("Parameters"), f"{here}.Parameters")


def _check_result_path(written: Mapping[str, Any], here: str) -> Iterator[Problem]:
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
        place = child_path(here, key)
        if key.endswith(".$"):
            if not one.startswith("$."):
                yield Problem(place, "Globus Flows requires a path that begins with $. and a name")
        elif key.endswith(".="):
            beyond = sorted(parse_expression(one).called & BEYOND_GLOBUS)
            if beyond:
                yield Problem(place, f"Globus Flows documents no function {', '.join(beyond)}")
        else:
            yield from _parameters(one, place)
