"""Objects from YAML or JSON files; errors name the file and the object."""

import sys
from pathlib import Path
from typing import Any

import yaml

from taskaction.cli.errors import CommandError
from taskaction.cluster.gateway import Body
from taskaction.core.yaml import load_documents

_MANY = (".yaml", ".yml", ".json")


def read_manifests(path: Path) -> list[Body]:
    """Return the objects of a file, or of all files of a folder in the order of their names.

    Raises:
        CommandError: a file is not readable, not valid YAML, or contains anything but objects.
    """
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix in _MANY)
        if not files:
            raise CommandError(f"{path}: no .yaml, .yml or .json file in this folder")
        return [body for file in files for body in read_manifests(file)]
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        found = load_documents(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise CommandError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    bodies = [body for document in found if document is not None for body in _items(document)]
    for number, body in enumerate(bodies, 1):
        problem = _problem(body)
        if problem:
            raise CommandError(f"{path}, object {number}: {problem}")
    if not bodies:
        raise CommandError(f"{path}: the file contains no objects")
    return bodies


def _items(document: Any) -> list[Any]:
    if isinstance(document, dict) and document.get("kind") == "List" and isinstance(document.get("items"), list):
        return list(document["items"])
    return [document]


def _problem(body: Any) -> str:
    if not isinstance(body, dict):
        return f"expected an object with apiVersion, kind and metadata, got {type(body).__name__}"
    missing = [name for name in ("apiVersion", "kind") if not isinstance(body.get(name), str)]
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not any(
        isinstance(metadata.get(key), str) for key in ("name", "generateName")
    ):
        missing.append("metadata.name")
    return f"{', '.join(missing)} missing" if missing else ""
