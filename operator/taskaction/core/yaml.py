"""YAML parser that reads documents as kubectl does; rejects values that kubectl and PyYAML read differently."""

import re
from typing import Any

import yaml

_BOOLEANS = {"y": "true", "Y": "true", "n": "false", "N": "false"}
"""Values that are booleans for kubectl and strings for PyYAML."""
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_BOOL = "tag:yaml.org,2002:bool"
_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_TEXT_FOR_KUBECTL = frozenset({_INT, _FLOAT, "tag:yaml.org,2002:timestamp"})
"""Types that PyYAML assigns to numbers, and to dates and times such as 12:30, which are strings for kubectl."""


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with other rules for numbers, dates and keys."""

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
        return self.construct_scalar(node)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """Return an integer; octal numbers have three notations."""
        digits = self.construct_scalar(node).replace("_", "")
        old_octal = re.fullmatch(r"([-+]?)0([0-7]+)", digits)
        return int(f"{old_octal[1]}0o{old_octal[2]}" if old_octal else digits, 0)


_Loader.add_constructor(_STR, _Loader.construct_text)
_Loader.add_constructor(_INT, _Loader.construct_integer)
_Loader.add_implicit_resolver(
    _INT, re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


def load_documents(text: str) -> list[Any]:
    """Return the documents of a text; raise ``yaml.YAMLError``, or ``RecursionError`` if they are nested too deeply."""
    return list(yaml.load_all(text, _Loader))


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None


def _describe_key(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else "of several parts"


def _meaning(node: yaml.Node) -> str:
    """Return what kubectl reads instead of a word."""
    if node.tag == _BOOL:
        return f" but {str(yaml.SafeLoader.bool_values[node.value.lower()]).lower()}"
    return f" but {_BOOLEANS[node.value]}" if _is_plain(node) and node.value in _BOOLEANS else ""
