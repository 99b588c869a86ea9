"""S16: an action that checks or creates a Secret shows none of its values."""

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import Body, action, create, wait_for, wait_for_phase
from support.api import create_object
from support.attackers import SECRETS, make_account, secret
from support.operators import Operators
from support.sightings import leaks, sightings

SECRET = "the-t0ken/of=the victim"
WORK = tuple({"apiGroups": [""], "resources": ["secrets"], "verbs": [one]} for one in ("create", "list", "delete"))
PATHS = ("data.key", "data", "metadata.annotations", "metadata", "kind")


@pytest.fixture
def reader(victim: Kubectl) -> Kubectl:
    """A namespace with a Secret that was applied by kubectl, and with an account that reads and makes Secrets."""
    body = secret("login", SECRET)
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": str(body)}
    create_object(victim, body | {"metadata": {"name": "login", "annotations": annotations}})
    make_account(victim, "default", SECRETS, *WORK)
    return victim


def waiting(name: str, path: str) -> Body:
    wanted = {"apiVersion": "v1", "kind": "Secret", "name": "login", "path": path, "equals": "x"}
    return action(name, "wait", {"object": wanted, "timeout": "2s"})


def test_s16_a_wait_for_a_field_of_a_secret_shows_no_value(
    operators: Operators, operator: Operator, reader: Kubectl
) -> None:
    create(reader, [waiting(f"w-{number}", path) for number, path in enumerate(PATHS)])
    found = [wait_for(reader, f"w-{number}") for number in range(len(PATHS))]
    assert {one["status"]["error"]["code"] for one in found} == {"WaitTimeout"}
    assert "data.key is [redacted]" in found[0]["status"]["message"]
    assert leaks(sightings(reader, operators, operator), SECRET) == []


def test_s16_an_output_of_a_secret_shows_no_value(operators: Operators, operator: Operator, reader: Kubectl) -> None:
    value = secret("own", "another-value-0f-it")
    for output in ("data.key", "data", "metadata.name"):
        name = f"made-{output.replace('.', '-')}"
        manifest = value | {"metadata": {"name": name}}
        create(reader, [action(name, "resource", {"manifest": manifest, "output": output})])
        assert wait_for_phase(reader, name, "Succeeded")
    status = wait_for_phase(reader, "made-data", "Succeeded")["status"]
    assert status["output"] == {"key": "[redacted]"}
    encoded = "YW5vdGhlci12YWx1ZS0wZi1pdA=="  # the manifest itself is in the specification, and not in base64
    assert all(encoded not in text for text in sightings(reader, operators, operator).values())


def test_s16_a_check_still_compares_with_the_value(operator: Operator, reader: Kubectl) -> None:
    encoded = reader("get", "secret", "login", "-o", "jsonpath={.data.key}")
    wanted = {"apiVersion": "v1", "kind": "Secret", "name": "login", "path": "data.key", "equals": encoded}
    create(reader, [action("same", "wait", {"object": wanted, "timeout": "20s"})])
    assert wait_for_phase(reader, "same", "Succeeded")
