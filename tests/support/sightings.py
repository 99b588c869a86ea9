"""Everything that others than the owner of a Secret can see: objects, Events, the operator's log, metrics, terminal."""

import json
import os
import urllib.request
from base64 import b64encode
from urllib.parse import quote, quote_plus

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support import preloaded
from support.operators import Operators

KINDS = "taskactions,actionflowruns,actionflows,actionproviders,actionevents,jobs,pods,configmaps,events"
"""All kinds with content, except Secrets."""


def sightings(kubectl: Kubectl, operators: Operators, operator: Operator) -> dict[str, str]:
    """Return all that can be seen of a namespace and of its operator, by where it is seen."""
    with urllib.request.urlopen(f"{operator.url}/metrics", timeout=5) as answer:
        metrics = answer.read().decode()
    return {
        "objects": kubectl("get", KINDS, "-o", "json"),
        "describe": kubectl("describe", "taskactions,actionflowruns"),
        "log": operators.log(),
        "metrics": metrics,
        "terminal": "".join(_terminal(kubectl, *words) for words in (["get"], ["get", "-o", "yaml"], *_each(kubectl))),
    }


def _each(kubectl: Kubectl) -> list[list[str]]:
    items = json.loads(kubectl("get", "taskactions", "-o", "json"))["items"]
    failed = [one for one in items if one["status"].get("phase") == "Failed"]
    return [["describe", one["metadata"]["name"]] for one in (*items[:1], *failed[:1])]


def _terminal(kubectl: Kubectl, *words: str) -> str:
    env = {**os.environ, "KUBECONFIG": str(kubectl.kubeconfig)}
    done = preloaded.run([*words, f"--namespace={kubectl.namespace}"], env)
    return done.stdout + done.stderr


def spellings_of(secret: str) -> dict[str, str]:
    """Return how a target may write a text that it was sent, in ways that the operator's own code does not define."""
    return {
        "as it is": secret,
        "json": json.dumps(secret)[1:-1],
        "json twice": json.dumps(json.dumps(secret))[3:-3],
        "php": json.dumps(secret)[1:-1].replace("/", "\\/"),
        "repr": repr(secret)[1:-1],
        "percent": quote(secret, safe=""),
        "percent of a path": quote(secret, safe="/:@!$&'()*+,;="),
        "form": quote_plus(secret),
        "percent twice": quote(quote(secret, safe=""), safe=""),
        "latin-1": secret.encode().decode("latin-1"),
        "basic": b64encode(f"ada:{secret}".encode()).decode(),
        "base64": b64encode(secret.encode()).decode(),
        "base64 within": b64encode(f"xx{secret}".encode()).decode(),
    }


def leaks(seen: dict[str, str], secret: str) -> list[str]:
    """Return where a secret is seen, and in which form; each is searched for as it is, and as JSON writes it."""
    return [
        f"{place}: {form}"
        for place, text in seen.items()
        for form, spelling in spellings_of(secret).items()
        if any(one in text for one in _written(spelling))
    ]


def _written(text: str) -> set[str]:
    return {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
