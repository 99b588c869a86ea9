"""Encoding of ``query`` and ``form``: JSON values as the pairs of a URL; pure."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from taskaction.plugin.errors import InvalidParametersError


def encode_pairs(values: Mapping[str, Any], field: str) -> str:
    """Return ``values`` in the form of a URL's query: JSON's words, null left out, a list as repeated names.

    Raises:
        InvalidParametersError: a value is an object or a list in a list, for which there is no common form.
    """
    return urlencode([(name, text) for name, value in values.items() for text in _texts(value, f"{field}.{name}")])


def _texts(value: Any, path: str) -> Iterator[str]:
    for part in value if isinstance(value, list | tuple) else (value,):
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping | list | tuple):
            raise InvalidParametersError(f"{path}: must not contain objects or nested lists; write them as JSON text")
        elif part is not None:
            yield orjson.dumps(part).decode()
