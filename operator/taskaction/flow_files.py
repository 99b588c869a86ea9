"""Reads definitions from files, for people at a command line; judges nothing that is in them."""

import sys
from pathlib import Path
from typing import Any

import yaml

from taskaction.flows.errors import DefinitionFileError

MAX_BYTES = 10_000_000
FLOW_KIND = "ActionFlow"


def read_definition(file: str) -> Any:
    """Give the definition in a file of JSON or YAML; of an ActionFlow manifest its ``spec.definition``.

    Raises:
        DefinitionFileError: it cannot be read, or holds something else.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        if len(text) > MAX_BYTES:
            raise DefinitionFileError(f"{file}: has more than {MAX_BYTES} characters")
        found = yaml.safe_load(text)  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise DefinitionFileError(f"{file}: {error}") from error
    if isinstance(found, dict) and found.get("kind") == FLOW_KIND:
        spec = found.get("spec")
        return spec.get("definition") if isinstance(spec, dict) else None
    return found
