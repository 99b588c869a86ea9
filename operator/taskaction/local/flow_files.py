"""Reads definitions from files, for people at a command line, and has them judged without any cluster."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from taskaction.control.flow_runs.inputs import InstalledInputs
from taskaction.control.flow_runs.validation import verdict
from taskaction.core.yaml import documents
from taskaction.flows.errors import DefinitionFileError, Problem
from taskaction.plugin.registry import Registry

MAX_BYTES = 10_000_000
FLOW_KIND = "ActionFlow"
PROVIDER_KINDS = frozenset({"ActionProvider", "ClusterActionProvider"})


def read_definition(file: str) -> Any:
    """Give the definition in a file of JSON or YAML; of an ActionFlow manifest its ``spec.definition``.

    Raises:
        DefinitionFileError: it cannot be read, or holds something else.
    """
    return _flow(file, _documents(file)).get("definition")


def checked(file: str, *, strict: bool) -> tuple[Problem, ...]:
    """Give everything that is wrong with the flow in a file, as the operator would say it.

    The providers that it uses are known where their manifests are in the same file.

    Raises:
        DefinitionFileError: the file cannot be read, or holds no flow or several.
    """
    found_documents = _documents(file)
    flow = _flow(file, found_documents)
    schemas = {
        (one["kind"], str(_part(one, "metadata").get("name"))): _part(one, "spec").get("inputSchema")
        for one in found_documents
        if isinstance(one, Mapping) and one.get("kind") in PROVIDER_KINDS
    }
    found = verdict(
        flow.get("definition"),
        flow.get("inputSchema"),
        namespace="",
        strict=strict or flow.get("strict") is True,
        inputs=InstalledInputs(Registry.installed, schemas),
    )
    return found.problems


def _documents(file: str) -> list[Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        if len(text) > MAX_BYTES:
            raise DefinitionFileError(f"{file}: has more than {MAX_BYTES} characters")
        return documents(text)  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise DefinitionFileError(f"{file}: {error}") from error


def _flow(file: str, found: list[Any]) -> Mapping[str, Any]:
    """Give what is said of the flow: the ``spec`` of the only manifest of one, else the only document."""
    flows = [one for one in found if isinstance(one, Mapping) and one.get("kind") == FLOW_KIND]
    if len(flows) > 1:
        raise DefinitionFileError(f"{file}: holds {len(flows)} flows: put each into a file of its own")
    if flows:
        return _part(flows[0], "spec")
    if len(found) > 1:
        raise DefinitionFileError(f"{file}: holds several documents, and none of kind {FLOW_KIND}")
    return {"definition": found[0] if found else None}


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}
