"""What is known before a run where a state reads: shapes of the state of the flow and of the context."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from taskaction.flows.errors import Problem, child_path, quote_text
from taskaction.flows.expressions import Expression
from taskaction.flows.parameters import ConstantPart, ListPart, ObjectPart, ParameterTemplate, Part
from taskaction.flows.paths import Path
from taskaction.flows.reads import certain_reads
from taskaction.flows.scope import CONTEXT, CONTEXT_NAMES
from taskaction.flows.shapes import (
    ANY,
    NUMBER,
    STRING,
    JsonType,
    Shape,
    Step,
    constant_of,
    explain_absence,
    items_of,
    list_of,
    object_of,
)

OWN_CONTEXT = object_of(dict.fromkeys(CONTEXT_NAMES, STRING))
"""Value of ``$._context`` in a run of the operator."""
GLOBUS_CONTEXT = object_of(
    {
        **dict.fromkeys(("flow_id", "run_id", "username", "email", "user_id"), STRING),
        "identities": items_of(STRING),
        "token_info": object_of(dict.fromkeys(("exp", "iat", "nbf"), NUMBER)),
    }
)
"""Value of ``$._context`` in a run of Globus Flows (https://docs.globus.org/api/flows/authoring-flows/context)."""
_FIX = "read another place, or write it before, for example by the input of the run"


@dataclass
class Knowledge:
    """Shapes at one state, and the problems of its reads.

    Attributes:
        data: the state of the flow; ``context`` the value of ``$._context``.
    """

    data: Shape
    context: Shape = OWN_CONTEXT
    problems: list[Problem] = field(default_factory=list)

    def with_data(self, data: Shape) -> "Knowledge":
        """Return the knowledge of another state of the flow, with the same list of problems."""
        return replace(self, data=data)

    def with_item(self, value: Shape) -> "Knowledge":
        """Return the knowledge with an item of a Map in the context."""
        item = object_of({"Index": NUMBER, "Value": value})
        fields = {**self.context.fields, "Map": object_of({"Item": item})}
        return replace(self, context=object_of(fields))

    def explain_absence(self, steps: Sequence[Step]) -> str | None:
        """Return why nothing can be at a place, or None if something may be."""
        return explain_absence(self._root(steps), steps, "$")

    def read(self, path: Path | None, place: str, kinds: frozenset[JsonType] = frozenset(JsonType)) -> Shape:
        """Return the shape of the value at a path, which must have one of ``kinds``; record why none can exist."""
        if path is None:
            return ANY
        if path.steps is None:
            return items_of(None)
        why = self.explain_absence(path.steps)
        if why is not None:
            self.add(place, absence_message(path, why))
            return ANY
        found = self.at(path.steps)
        if not found.kinds & kinds:
            self.add(place, f"{path.text} is never {_any_of(kinds)}: it is {_any_of(found.kinds)}")
        return found

    def at(self, steps: Sequence[Step]) -> Shape:
        """Return the shape of what may be at a place; unknown if nothing can be."""
        found: Shape | None = self._root(steps)
        for step in steps:
            found = found.at(step) if found is not None else None
        return found or ANY

    def evaluate(self, template: ParameterTemplate, place: str) -> Shape:
        """Return the shape of parameters; record the reads in it that always fail."""
        return self._part(template.part, place)

    def add(self, place: str, message: str) -> None:
        """Record a problem."""
        self.problems.append(Problem(place, message))

    def _root(self, steps: Sequence[Step]) -> Shape:
        return object_of({CONTEXT: self.context}) if steps and steps[0] == CONTEXT else self.data

    def _part(self, part: Part, place: str) -> Shape:
        match part:
            case ConstantPart(value):
                return constant_of(value)
            case Path():
                return self.read(part, place)
            case Expression():
                self._check_expression(part, place)
                return ANY
            case ListPart(items):
                return list_of([self._part(one, f"{place}[{index}]") for index, one in enumerate(items)])
            case ObjectPart(items):
                return object_of({name: self._part(one, child_path(place, _key(name, one))) for name, one in items})

    def _check_expression(self, expression: Expression, place: str) -> None:
        for read in certain_reads(expression.tree):
            path = expression.paths.get(str(read[0]))
            if path is not None and path.steps is None:
                continue
            steps = (*path.steps, *read[1:]) if path is not None and path.steps is not None else read
            why = self._explain_in_expression(steps)
            if why is not None:
                self.add(place, f"{quote_text(expression.text)} can never be evaluated: {why}; {_FIX}")
                return

    def _explain_in_expression(self, steps: Sequence[Step]) -> str | None:
        """Return why a place cannot be read by an expression, in which a string has elements, too."""
        for count, step in enumerate(steps):
            if isinstance(step, int) and JsonType.STRING in self.at(steps[:count]).kinds:
                return None
        return self.explain_absence(steps)


def absence_message(path: Path, why: str) -> str:
    """Return the message that nothing can be at a path."""
    return f"{path.text} never exists here: {why}; {_FIX}"


def _key(name: str, part: Part) -> str:
    """Return the key of a parameter in the definition."""
    return f"{name}.$" if isinstance(part, Path) else f"{name}.=" if isinstance(part, Expression) else name


def _any_of(kinds: frozenset[JsonType]) -> str:
    return " or ".join(sorted(kinds))
