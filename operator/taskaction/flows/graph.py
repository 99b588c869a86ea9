"""Flowchart of a definition as Mermaid text, which GitHub and most wikis render; no validation."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskaction.core.names import truncate
from taskaction.flows import definition as words

_LABEL_CHARS = 60
_ESCAPES = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\n": " ", "\r": " "}
_SIGNS = {
    "Equals": "=",
    "LessThan": "<",
    "GreaterThan": ">",
    "LessThanEquals": "<=",
    "GreaterThanEquals": ">=",
}
_KINDS = ("String", "Numeric", "Timestamp", "Boolean")


def mermaid(flow: words.Flow) -> str:
    """Return the flowchart of a flow, with the states in the order of the definition."""
    drawing = _Drawing()
    drawing.flow(flow, "  ")
    return "\n".join(["flowchart TD", *drawing.lines]) + "\n"


@dataclass
class _Drawing:
    lines: list[str] = field(default_factory=list)
    drawn: int = 0

    def flow(self, flow: words.Flow, indent: str) -> None:
        """Draw the states, then the transitions."""
        number = self.drawn
        self.drawn += 1
        ids = {name: f"f{number}s{place}" for place, name in enumerate(flow.states)}
        begin, end = f"f{number}begin", f"f{number}done"
        self.lines.append(f'{indent}{begin}(("start"))')
        for name, state in flow.states.items():
            self._state(ids[name], name, state, indent)
        if any(isinstance(state, words.TransitionState) and state.end for state in flow.states.values()):
            self.lines.append(f'{indent}{end}((("end")))')
        self.lines.append(f"{indent}{begin} --> {ids.get(flow.start_at, begin)}")
        for name, state in flow.states.items():
            for target, label, dotted in _transitions(state):
                there = end if target is None else ids.get(target)
                if there is not None:
                    self.lines.append(f"{indent}{ids[name]} {_arrow(label, dotted=dotted)} {there}")

    def _state(self, own: str, name: str, state: words.AnyState, indent: str) -> None:
        match state:
            case words.ParallelState():
                self._group(own, f"{name} (Parallel)", state.branches, indent)
            case words.MapState():
                self._group(own, f"{name} (Map: {state.items_path})", [state.item_processor], indent)
            case words.ChoiceState():
                self.lines.append(f"{indent}{own}{{{_quote_label(name)}}}")
            case words.WaitState():
                self.lines.append(f"{indent}{own}([{_quote_label(name, f'Wait: {_until(state)}')}])")
            case words.FailState():
                error = state.error or state.error_path or ""
                self.lines.append(f"{indent}{own}[/{_quote_label(name, f'Fail: {error}')}/]")
            case words.ActionState():
                self.lines.append(f"{indent}{own}[[{_quote_label(name, state.url)}]]")
            case _:
                self.lines.append(f"{indent}{own}[{_quote_label(name, state.type)}]")

    def _group(self, own: str, title: str, inner: list[words.Flow], indent: str) -> None:
        self.lines.append(f"{indent}subgraph {own}[{_quote_label(title)}]")
        for flow in inner:
            self.flow(flow, f"{indent}  ")
        self.lines.append(f"{indent}end")


def _transitions(state: words.AnyState) -> Iterator[tuple[str | None, str, bool]]:
    """Yield the targets of a state, None for the end, with a label and whether they are for errors."""
    if isinstance(state, words.ChoiceState):
        for rule in state.choices:
            following = rule.get("Next")
            if isinstance(following, str):
                yield following, _condition(rule), False
        if state.default is not None:
            yield state.default, "otherwise", False
    if isinstance(state, words.TransitionState):
        yield state.next, "", False
    if isinstance(state, words.CatchingState):
        for catcher in state.catch:
            yield catcher.next, ", ".join(catcher.error_equals), True


def _condition(rule: Mapping[str, Any]) -> str:
    """Return a rule of a Choice as readable text."""
    for name, between in (("And", " and "), ("Or", " or ")):
        if isinstance(rule.get(name), list):
            return between.join(_condition(one) for one in rule[name] if isinstance(one, Mapping))
    if isinstance(rule.get("Not"), Mapping):
        return f"not ({_condition(rule['Not'])})"
    variable = str(rule.get("Variable", "?"))
    for operator, operand in rule.items():
        if operator in {"Variable", "Next", "Comment"}:
            continue
        plain = operator.removesuffix("Path")
        order = next((plain.removeprefix(kind) for kind in _KINDS if plain.startswith(kind)), "")
        shown = operand if operator.endswith("Path") else json.dumps(operand, ensure_ascii=False)
        if order in _SIGNS:
            return f"{variable} {_SIGNS[order]} {shown}"
        return f"{variable} {operator} {shown}"
    return variable


def _until(state: words.WaitState) -> str:
    if state.seconds is not None:
        return f"{state.seconds} s"
    return str(state.seconds_path or state.timestamp or state.timestamp_path)


def _arrow(label: str, *, dotted: bool) -> str:
    line = "-.->" if dotted else "-->"
    return f"{line}|{_quote_label(label)}|" if label else line


def _quote_label(*lines: str) -> str:
    shown = (truncate(line, _LABEL_CHARS) for line in lines if line)
    return '"' + "<br/>".join("".join(_ESCAPES.get(sign, sign) for sign in line) for line in shown) + '"'
