"""An idempotency key counts within its namespace: a target does not answer one namespace with another's result."""

import pytest

from cluster.kubectl import Kubectl
from support.actions import action, wait_for_phase
from support.api import create_object
from support.world import World, keyed


@pytest.mark.usefixtures("operator")
def test_the_key_of_another_namespace_s_action_gets_no_answer_of_it(victim: Kubectl, attacker: Kubectl) -> None:
    with World() as world:
        for kubectl in (victim, attacker):
            create_object(kubectl, action("deploy", "http", keyed(world.url, "deploy"), idempotencyKey="deploy-shop-7"))
            found = wait_for_phase(kubectl, "deploy", "Succeeded")
            (attempt,) = found["status"]["attempts"]
            assert attempt["idempotencyKey"] == f"{kubectl.namespace}:deploy-shop-7-1"
        assert world.effects["keyed/deploy"] == 2
