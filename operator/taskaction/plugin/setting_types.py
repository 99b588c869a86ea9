"""Types of settings whose text in an environment variable is not JSON, and checks that several models share."""

import json
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from taskaction.core.urls import check_url
from taskaction.plugin.addresses import parse_networks
from taskaction.plugin.storage import validate_folder

_LAST_PORT = 65_535


def _parse_list(value: object) -> object:
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _parse_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise PydanticCustomError("json_object", "use a JSON object; {problem}", {"problem": str(error)}) from error


def _parse_pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, sign, text = part.partition("=")
        if not sign or not name.strip() or not text.strip():
            raise ValueError(f"use pairs such as name=value, separated by commas; {part!r} is not one")
        found[name.strip()] = text.strip()
    return found


def _parse_networks(value: object) -> object:
    return parse_networks(value) if isinstance(value, str) else value


def _check_bind(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not host or not colon or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
        raise ValueError("use an address and a port, such as 127.0.0.1:8080")
    return value


def _check_url(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(sign in value for sign in "?#@ "):
        raise ValueError("use an HTTP or HTTPS URL without user, query and fragment, such as https://host.example.org")
    return check_url(value).rstrip("/")


OPTIONAL = BeforeValidator(lambda value: None if value == "" else value)
"""Reads an empty text as if the variable were not set."""
COMMA_LIST = BeforeValidator(_parse_list)
"""Reads a tuple from ``a,b``."""
JSON_OBJECT = BeforeValidator(_parse_json)
"""Reads a mapping from a JSON object."""
PAIRS = BeforeValidator(_parse_pairs)
"""Reads a mapping from ``a=b,c=d``."""
NETWORKS = BeforeValidator(_parse_networks)
"""Reads networks from CIDRs that are separated by commas."""

BindAddress = Annotated[str, AfterValidator(_check_bind)]
"""Address and port that a process listens on."""
Url = Annotated[str, AfterValidator(_check_url)]
"""URL of a service, without a slash at its end."""
Folder = Annotated[str, AfterValidator(validate_folder)]
"""Folder of a storage, with a slash at its end."""
