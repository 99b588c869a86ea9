"""S21: a message about an invalid private value quotes nothing of it, however short, and if it is a number."""

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import action, create, wait_for
from support.api import create_object
from support.attackers import SECRETS, make_account, secret
from support.operators import Operators
from support.refusals import manifest
from support.sightings import leaks, sightings

SETTINGS = {"TASKACTION_LOG_LEVEL": "debug"}
VALUES = {"a number": "735108462", "a short text": '"k9-Zq"', "a long text": '"the-t0ken/of=it"'}
SCHEMAS = {
    "type": {"type": "boolean"},
    "enum": {"enum": ["one", "other"]},
    "anyOf": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    "not": {"not": {"type": ["string", "number"]}},
}


@pytest.mark.parametrize("kind", VALUES)
def test_s21_no_message_quotes_a_private_value(
    operators: Operators, operator: Operator, victim: Kubectl, kind: str
) -> None:
    create_object(victim, secret("pin", VALUES[kind]))
    make_account(victim, "default", SECRETS)
    for number, (name, schema) in enumerate(SCHEMAS.items()):
        spec = {"executor": "noop", "inputSchema": {"properties": {"pin": schema}, "additionalProperties": False}}
        create(victim, [manifest("ActionProvider", spec, name=f"p-{number}")])
        sources = [{"parameter": "pin", "secretKeyRef": {"name": "pin", "key": "key"}, "format": "Json"}]
        create(victim, [action(f"a-{number}", providerRef={"name": f"p-{number}"}, parametersFrom=sources)])
        status = wait_for(victim, f"a-{number}")["status"]
        assert (status["phase"], status["error"]["code"]) == ("Failed", "InvalidParameters")
        assert f"keyword '{name}'" in status["message"]
        assert "not shown" in status["message"]
    assert leaks(sightings(victim, operators, operator), VALUES[kind].strip('"')) == []
