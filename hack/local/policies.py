"""Admission policies: apply those that the API server can hold, and wait until they act.

A server reads policies up to some seconds after it has accepted them. So a pair that concerns one name only is applied
last: the mutating one marks the object, the validating one refuses it by the mark. Policies are read as a whole; once
that name is refused, everything that was applied before acts as well.
"""

import json
import secrets
from pathlib import Path
from typing import Any

import yaml

from cluster.binaries import Say
from cluster.errors import KubectlError
from cluster.kubectl import Kubectl
from cluster.processes import wait_until

API = "admissionregistration.k8s.io/v1"
MUTATING = "MutatingAdmissionPolicy"
EFFECTIVE_SECONDS = 60
MARK = "taskaction.dev/probe"

Manifest = dict[str, Any]


def install(kubectl: Kubectl, folder: Path, *, say: Say = print) -> None:
    """Apply a folder's policies, and return when they act."""
    manifests = [manifest for path in sorted(folder.glob("*.yaml")) for manifest in read(path)]
    if not manifests:
        return
    served = served_kinds(kubectl)
    missing = sorted({manifest["kind"] for manifest in manifests} - served)
    if missing:  # older servers: the documentation says what is lost without each
        say(f"cluster: without {', '.join(missing)}, which this API server does not know")
    apply(kubectl, [manifest for manifest in manifests if manifest["kind"] in served])
    wait_until_effective(kubectl, mutating=MUTATING in served)


def remove(kubectl: Kubectl, folder: Path) -> None:
    """Delete a folder's policies."""
    served = served_kinds(kubectl)
    found = [manifest for path in folder.glob("*.yaml") for manifest in read(path) if manifest["kind"] in served]
    if found:
        kubectl("delete", "--ignore-not-found", "--filename=-", stdin=as_list(found))


def read(path: Path) -> list[Manifest]:
    """Read a file of manifests."""
    return [manifest for manifest in yaml.safe_load_all(path.read_text()) if manifest]


def apply(kubectl: Kubectl, manifests: list[Manifest]) -> None:
    """Apply manifests server-side."""
    kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=as_list(manifests))


def as_list(manifests: list[Manifest]) -> str:
    """Return manifests as one document."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})


def served_kinds(kubectl: Kubectl) -> set[str]:
    """Return the kinds that the server knows in the version that is used here."""
    rows = kubectl("api-resources", f"--api-group={API.partition('/')[0]}", "--no-headers").splitlines()
    return {row.split()[-1] for row in rows if API in row.split()}


def wait_until_effective(kubectl: Kubectl, *, mutating: bool = True) -> None:
    """Return when every policy that was applied before acts."""
    name = f"taskaction-probe-{secrets.token_hex(4)}"
    pair = as_list(probe(name, mutating=mutating))
    kubectl("apply", "--filename=-", stdin=pair)
    try:
        what = "the admission policies to act"
        wait_until(lambda: is_refused(kubectl, name), timeout=EFFECTIVE_SECONDS, what=what, every=0.2)
    finally:
        kubectl("delete", "--filename=-", "--wait=false", stdin=pair)


def is_refused(kubectl: Kubectl, name: str) -> bool:
    """Whether the pair acts on the name; creates nothing."""
    try:
        kubectl("create", "configmap", name, "--namespace=default", "--dry-run=server")
    except KubectlError as error:
        return MARK in str(error)
    return False


def probe(name: str, *, mutating: bool) -> list[Manifest]:
    """Return the pair of policies with their bindings."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    scope = {"matchConstraints": {"resourceRules": [{**rule, "resourceNames": [name]}]}, "failurePolicy": "Fail"}
    unmarked = f"!has(object.metadata.annotations) || !('{MARK}' in object.metadata.annotations)"
    refusal = {"expression": unmarked if mutating else "false", "message": f"{MARK} is seen"}
    specs: dict[str, Manifest] = {
        "ValidatingAdmissionPolicy": {**scope, "validations": [refusal]},
        "ValidatingAdmissionPolicyBinding": {"policyName": name, "validationActions": ["Deny"]},
    }
    if mutating:
        mark = f'Object{{metadata: Object.metadata{{annotations: {{"{MARK}": ""}}}}}}'
        mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": mark}}
        specs[MUTATING] = {**scope, "reinvocationPolicy": "Never", "mutations": [mutation]}
        specs[f"{MUTATING}Binding"] = {"policyName": name}
    return [{"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec} for kind, spec in specs.items()]
