"""What a replica has to do with the actions of others: to know of them, and nothing else."""

import re
import urllib.request

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import action, all_finished, create, wait_for_all
from support.operators import Operators, metric
from support.trio import start_replicas

LOOKUP = re.compile(
    r'^taskaction_api_request_seconds_count\{(?=.*resource="taskactions")(?=.*verb="get").*', re.MULTILINE
)
FINISHED = 'actions_finished_total{phase="Succeeded",reason="Completed"}'


def lookups(operator: Operator) -> list[str]:
    """Give what it asked the API server about single actions."""
    with urllib.request.urlopen(f"{operator.url}/metrics", timeout=5) as answer:
        return LOOKUP.findall(answer.read().decode())


def test_nobody_asks_what_became_of_actions_that_others_have_finished(operators: Operators, kubectl: Kubectl) -> None:
    replicas = start_replicas(operators)
    create(kubectl, [action(f"one-{number}") for number in range(60)])
    wait_for_all(kubectl, all_finished)
    for replica in replicas:
        wait_until(lambda one=replica: metric(one, "actions_live") == 0, timeout=30, what="the last to be let go")
    assert all(metric(replica, FINISHED) > 0 for replica in replicas)
    assert [lookups(replica) for replica in replicas] == [[], [], []]
    operators.stop()
