"""YAML as kubectl reads it: a parser, which rejects values that kubectl and PyYAML read differently, and a writer.

It bounds the time and memory that a text can cost: its size, its depth, and what its aliases stand for.
"""

import re
from typing import Any

import yaml

from taskaction.core.json_values import is_written_double, value_problem
from taskaction.core.names import truncate

_BOOLEANS = {"y": "true", "Y": "true", "n": "false", "N": "false"}
"""Values that are booleans for kubectl and strings for PyYAML."""
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_BOOL = "tag:yaml.org,2002:bool"
_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_TEXT_FOR_KUBECTL = frozenset({_INT, _FLOAT, "tag:yaml.org,2002:timestamp"})
"""Types that PyYAML assigns to numbers, and to dates and times such as 12:30, which are strings for kubectl."""


TEXT_LIMIT_CHARS = 3 * 1024 * 1024
"""Maximum size of a text, and of each document in it after its aliases are written out."""

_DEPTH_LIMIT = 100
_SHOWN_CHARS = 40
_NUMBER_CHARS = 400
"""Maximum length of a number; the largest that JSON's readers know has 309 digits."""


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with other rules for numbers, dates and keys, and with bounds."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node; reject one that is nested too deeply."""
        self._depth += 1
        if self._depth > _DEPTH_LIMIT:
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise _error(f"nested deeper than {_DEPTH_LIMIT} levels", event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_document(self) -> yaml.Node | None:
        """Compose a document; reject one whose aliases stand for too much."""
        node: yaml.Node | None = super().compose_document()
        size, depth = (0, 0) if node is None else _written_out(node, {})
        if node is not None and (size > TEXT_LIMIT_CHARS or depth > _DEPTH_LIMIT):
            limits = f"{TEXT_LIMIT_CHARS} characters or {_DEPTH_LIMIT} levels"
            raise _error(f"with all aliases written out, the document has more than {limits}", node.start_mark)
        return node

    yaml_implicit_resolvers = {  # noqa: RUF012 - how PyYAML is customized
        first: [(tag, pattern) for tag, pattern in known if tag not in _TEXT_FOR_KUBECTL]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == _STR and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {_describe_key(key)}: keep one", key.start_mark
                )
            seen.add(_describe_key(key))
            if key.tag not in {_STR, _MERGE} or (_is_plain(key) and key.value in _BOOLEANS):
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {_describe_key(key)} is not a string for kubectl{_meaning(key)}: quote it",
                    key.start_mark,
                )
        return super().construct_mapping(node, deep)

    def construct_text(self, node: yaml.ScalarNode) -> str:
        """Return a string; reject one that is not a string for kubectl."""
        if _is_plain(node) and node.value in _BOOLEANS:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"{node.value} is not a string for kubectl{_meaning(node)}: quote it, or write that value",
                node.start_mark,
            )
        text: str = self.construct_scalar(node)
        self._check(text, node)
        return text

    def construct_integer(self, node: yaml.ScalarNode) -> float:
        """Return an integer; octal numbers have three notations."""
        digits = self._digits(node).replace("_", "")
        old_octal = re.fullmatch(r"([-+]?)0([0-7]+)", digits)
        number = int(f"{old_octal[1]}0o{old_octal[2]}" if old_octal else digits, 0)
        if is_written_double(number):
            return float(number)
        self._check(number, node)
        return number

    def construct_number(self, node: yaml.ScalarNode) -> float:
        """Return a number with a fraction or exponent."""
        self._digits(node)
        number: float = self.construct_yaml_float(node)
        self._check(number, node)
        return number

    def _check(self, value: object, node: yaml.ScalarNode) -> None:
        if (problem := value_problem(value, truncate(str(node.value), _SHOWN_CHARS))) is not None:
            raise _error(problem, node.start_mark)

    def _digits(self, node: yaml.ScalarNode) -> str:
        digits: str = self.construct_scalar(node)
        if len(digits) > _NUMBER_CHARS:
            raise _error(f"a number of {len(digits)} characters: quote it if it is a text", node.start_mark)
        return digits


_Loader.add_constructor(_STR, _Loader.construct_text)
_Loader.add_constructor(_INT, _Loader.construct_integer)
_Loader.add_constructor(_FLOAT, _Loader.construct_number)


class _Dumper(yaml.SafeDumper):
    """PyYAML's writer, which also quotes strings that are something else for kubectl, such as ``4612e87``."""

    def represent_text(self, value: str) -> yaml.ScalarNode:
        """Return a string as a node; only in double quotes do control characters survive a terminal's escapes."""
        return self.represent_scalar(_STR, value, None if value.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.represent_text)


for _kind in (_Loader, _Dumper):
    for _tag, _pattern, _first in (
        (_INT, r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$", "-+0123456789"),
        (
            _FLOAT,
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$",
            "-+.0123456789",
        ),
    ):
        _kind.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))
_Dumper.add_implicit_resolver(_BOOL, re.compile("[yYnN]$"), list("yYnN"))


def dump_document(value: Any) -> str:
    """Return a JSON value as YAML that kubectl and ``load_documents`` read as the same value."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def load_documents(text: str) -> list[Any]:
    """Return the documents of a text; raise ``yaml.YAMLError`` if it is invalid, or too large or nested too deeply."""
    if len(text) > TEXT_LIMIT_CHARS:
        raise yaml.YAMLError(f"the text has {len(text)} characters; at most {TEXT_LIMIT_CHARS} are allowed: split it")
    return list(yaml.load_all(text, _Loader))


def _written_out(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return size and depth of a document as if every alias was replaced by what it stands for."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = TEXT_LIMIT_CHARS + 1, _DEPTH_LIMIT + 1  # unless it ends, it is within itself
    size, depth = 1, 0
    if isinstance(node, yaml.ScalarNode):
        size += len(node.value)
    else:
        for part in node.value:
            for inner in part if isinstance(part, tuple) else (part,):
                inner_size, inner_depth = _written_out(inner, known)
                size, depth = size + inner_size, max(depth, inner_depth)
    known[id(node)] = size, depth + 1
    return size, depth + 1


def _error(problem: str, mark: yaml.Mark) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, mark)


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None


def _describe_key(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "of several parts"


def _meaning(node: yaml.Node) -> str:
    """Return what kubectl reads instead of a word."""
    if node.tag == _BOOL:
        return f" but {str(yaml.SafeLoader.bool_values[node.value.lower()]).lower()}"
    return f" but {_BOOLEANS[node.value]}" if _is_plain(node) and node.value in _BOOLEANS else ""
