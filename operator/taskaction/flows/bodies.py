"""Input of a definition's actions before any run: constants as values, everything else as unknown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from taskaction.flows.errors import child_path
from taskaction.flows.parameters import PRIVATE


class Unknown:
    """Placeholder of a value that is known only in a run."""

    def __repr__(self) -> str:
        """Return the text for messages."""
        return "a value of the run"


@dataclass(frozen=True, slots=True)
class Body:
    """Input of the action of a state.

    Attributes:
        place: the JSONPath of the state.
        url: of an Action Provider, or ``taskaction://KIND/NAME``; ``named`` is the field that has it.
        value: the parameters, with ``Unknown`` for references and expressions; ``Unknown`` for an InputPath.
        inline: the action runs without an object of its own, for the items of a Map.
    """

    place: str
    url: str
    named: str
    value: Any
    inline: bool = False


def action_bodies(definition: Mapping[str, Any], place: str = "$", *, inline: bool = False) -> Iterator[Body]:
    """Yield the input of every action of a valid definition, including actions within other states."""
    for name, state in definition["States"].items():
        here = child_path(f"{place}.States", name)
        if state["Type"] == "Action":
            value = _constant_value(state["Parameters"]) if state.get("Parameters") is not None else Unknown()
            handler = state.get("Handler")
            if handler is not None:
                yield Body(here, handler["Url"], "Handler.Url", value, inline)
            else:
                yield Body(here, state["ActionUrl"], "ActionUrl", value, inline)
        for number, branch in enumerate(state.get("Branches") or ()):
            yield from action_bodies(branch, f"{here}.Branches[{number}]", inline=inline)
        if state.get("ItemProcessor") is not None:
            within = inline or state.get("Inline") is True
            yield from action_bodies(state["ItemProcessor"], f"{here}.ItemProcessor", inline=within)


def _constant_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_constant_value(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return dict(_items(value))


def _items(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, one in value.items():
        if name.endswith((".$", ".=")):
            yield name[:-2], Unknown()
        elif name != PRIVATE:
            yield name, _constant_value(one)
