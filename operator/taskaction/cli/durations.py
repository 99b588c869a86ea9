"""Reads what people write on the command line: time spans, and values of parameters."""

import json
from typing import Any

import typer

from taskaction.core.durations import parse_duration


def seconds(text: str) -> float:
    """Read a time span such as 90s or 1m30s; a number alone means seconds."""
    try:
        return float(text) if text.replace(".", "", 1).isdecimal() else parse_duration(text).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time span: write for example 90s, 1m30s or 2h") from error


def value(text: str) -> Any:
    """Read a value: JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def pair(text: str) -> tuple[str, str]:
    """Read ``KEY=VALUE``."""
    key, sign, rest = text.partition("=")
    if not sign or not key:
        raise typer.BadParameter(f"{text!r}: write KEY=VALUE")
    return key, rest


def parameters(texts: list[str]) -> dict[str, Any]:
    """Read parameters: each ``KEY=VALUE``, where dots reach into objects, or a whole JSON object."""
    found: dict[str, Any] = {}
    for text in texts:
        if text.lstrip().startswith("{"):
            whole = value(text)
            if not isinstance(whole, dict):
                raise typer.BadParameter(f"{text!r} is no JSON object")
            found |= whole
            continue
        key, written = pair(text)
        *above, last = key.split(".")
        target = found
        for part in above:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise typer.BadParameter(f"{key}: {part} is no object")
        target[last] = value(written)
    return found
