"""What a definition says of the input of its actions before any run: constants as they are, the rest as unknown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from taskaction.flows.errors import below
from taskaction.flows.parameters import PRIVATE


class Unknown:
    """A value that only a run knows."""

    def __repr__(self) -> str:
        """Give what messages call it."""
        return "a value of the run"


@dataclass(frozen=True, slots=True)
class Body:
    """What the action of a state is given.

    Attributes:
        place: the JSONPath of the state.
        url: an Action Provider's, or ``taskaction://KIND/NAME``; ``named`` is the field that says so.
        value: the parameters, with ``Unknown`` for references and expressions; ``Unknown`` for an InputPath.
        inline: it is called without an object, for the items of a Map.
    """

    place: str
    url: str
    named: str
    value: Any
    inline: bool = False


def bodies(definition: Mapping[str, Any], place: str = "$", *, inline: bool = False) -> Iterator[Body]:
    """Give the input of every action of a definition that is valid, those inside of other states, too."""
    for name, state in definition["States"].items():
        here = below(f"{place}.States", name)
        if state["Type"] == "Action":
            value = _known(state["Parameters"]) if state.get("Parameters") is not None else Unknown()
            handler = state.get("Handler")
            if handler is not None:
                yield Body(here, handler["Url"], "Handler.Url", value, inline)
            else:
                yield Body(here, state["ActionUrl"], "ActionUrl", value, inline)
        for number, branch in enumerate(state.get("Branches") or ()):
            yield from bodies(branch, f"{here}.Branches[{number}]", inline=inline)
        if state.get("ItemProcessor") is not None:
            within = inline or state.get("Inline") is True
            yield from bodies(state["ItemProcessor"], f"{here}.ItemProcessor", inline=within)


def _known(value: Any) -> Any:
    if isinstance(value, list):
        return [_known(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return dict(_items(value))


def _items(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, one in value.items():
        if name.endswith((".$", ".=")):
            yield name[:-2], Unknown()
        elif name != PRIVATE:
            yield name, _known(one)
