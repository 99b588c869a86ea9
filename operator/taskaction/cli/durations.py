"""Parsers of durations and parameters on the command line."""

import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from taskaction.cli.errors import CommandError
from taskaction.core.durations import parse_duration
from taskaction.core.json_values import JsonValueError, check_value
from taskaction.core.yaml import load_documents

_FILE = "@"


def parse_seconds(text: str) -> float:
    """Parse a duration such as 90s or 1m30s; a plain number means seconds."""
    try:
        return float(text) if text.replace(".", "", 1).isdecimal() else parse_duration(text).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(f"invalid duration {text!r}; use e.g. 90s, 1m30s or 2h") from error


def parse_value(text: str, field: str) -> Any:
    """Parse the value of ``field``: JSON if it is valid JSON, otherwise the text itself.

    Raises:
        CommandError: the value would not arrive unchanged; the message names the field.
    """
    from taskaction.plugin.signal_values import SignalValueError, parse_json_or_text

    try:
        return parse_json_or_text(text, field)
    except SignalValueError as error:
        raise CommandError(str(error)) from error


def parse_pair(text: str) -> tuple[str, str]:
    """Parse ``KEY=VALUE``."""
    key, sign, rest = text.partition("=")
    if not sign or not key:
        raise typer.BadParameter(f"invalid value {text!r}; use KEY=VALUE")
    return key, rest


def parse_parameters(texts: list[str]) -> dict[str, Any]:
    """Parse parameters: each is ``KEY=VALUE``, with dots for nested objects, or a JSON object.

    ``@FILE`` is a file with such an object, as JSON or YAML.
    """
    found: dict[str, Any] = {}
    for text in texts:
        if text.startswith(_FILE):
            found |= _read_object(text.removeprefix(_FILE))
            continue
        if text.lstrip().startswith("{"):
            whole = parse_value(text, "parameters")
            if not isinstance(whole, dict):
                raise typer.BadParameter(f"{text!r} is not a JSON object")
            found |= whole
            continue
        key, written = parse_pair(text)
        *above, last = key.split(".")
        target = found
        for part in above:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise typer.BadParameter(f"{key}: {part} is not an object")
        target[last] = parse_value(written, key)
    return found


def _read_object(file: str) -> dict[str, Any]:
    """Return the parameters in a file; ``-`` is standard input."""
    from taskaction.plugin.json_schema import nesting_problem

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        found = load_documents(text)
        check_value(found)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise CommandError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from error
    except JsonValueError as error:
        raise CommandError(error.under(file)) from error
    if len(found) != 1 or not isinstance(found[0], dict):
        raise CommandError(f"{file}: expected one object with parameters, as JSON or YAML")
    if (problem := nesting_problem(found[0], file)) is not None:
        raise CommandError(problem)
    return found[0]
