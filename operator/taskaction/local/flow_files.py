"""Validation of flow definitions in files, for command lines, without a cluster."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from taskaction.control.flow_runs.inputs import InstalledInputs
from taskaction.control.flow_runs.validation import validate_definition_and_schema
from taskaction.core.yaml import load_documents
from taskaction.flows.errors import DefinitionFileError, Problem
from taskaction.plugin.registry import Registry

MAX_BYTES = 10_000_000
FLOW_KIND = "ActionFlow"
PROVIDER_KINDS = frozenset({"ActionProvider", "ClusterActionProvider"})


def read_definition(file: str) -> Any:
    """Return the definition in a file of JSON or YAML; of an ActionFlow manifest, its ``spec.definition``.

    Raises:
        DefinitionFileError: the file cannot be read, or contains something else.
    """
    return _flow(file, _documents(file)).get("definition")


def check_flow_file(file: str, *, strict: bool) -> tuple[Problem, ...]:
    """Return all problems of the flow in a file, as the operator reports them.

    Providers are known if their manifests are in the same file.

    Raises:
        DefinitionFileError: the file cannot be read, or contains no flow or several.
    """
    found_documents = _documents(file)
    flow = _flow(file, found_documents)
    schemas = {
        (one["kind"], str(_part(one, "metadata").get("name"))): _part(one, "spec").get("inputSchema")
        for one in found_documents
        if isinstance(one, Mapping) and one.get("kind") in PROVIDER_KINDS
    }
    found = validate_definition_and_schema(
        flow.get("definition"),
        flow.get("inputSchema"),
        namespace="",
        strict=strict or flow.get("strict") is True,
        inputs=InstalledInputs(Registry.find_installed, schemas),
    )
    return found.problems


def _documents(file: str) -> list[Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        if len(text) > MAX_BYTES:
            raise DefinitionFileError(f"{file}: larger than {MAX_BYTES} characters")
        return load_documents(text)  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise DefinitionFileError(f"{file}: {error}") from error


def _flow(file: str, found: list[Any]) -> Mapping[str, Any]:
    """Return the ``spec`` of the only flow manifest, otherwise the only document as its definition."""
    flows = [one for one in found if isinstance(one, Mapping) and one.get("kind") == FLOW_KIND]
    if len(flows) > 1:
        raise DefinitionFileError(f"{file}: contains {len(flows)} flows; use one file for each")
    if flows:
        return _part(flows[0], "spec")
    if len(found) > 1:
        raise DefinitionFileError(f"{file}: contains several documents, but none of kind {FLOW_KIND}")
    return {"definition": found[0] if found else None}


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}
