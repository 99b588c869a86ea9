"""What an executor says of a webhook request before it is accepted: refused, or about which actions."""

import pytest

from taskaction.lifecycle.outcomes import Outcome, Succeeded
from taskaction.plugin.base import AbstractExecutor, Correlation, Run, WebhookRequest
from taskaction.plugin.errors import WebhookRefusedError

REQUEST = WebhookRequest(path="/webhook", headers={}, content=b"{}", body={})


class Deaf(AbstractExecutor):
    """Has a path, but says nothing of requests."""

    ACTION_NAME = "deaf"
    WEBHOOK_PATH = "/webhook"

    async def execute(self, run: Run) -> Outcome:
        return Succeeded()


async def test_an_executor_that_says_nothing_of_webhooks_refuses_them() -> None:
    with pytest.raises(WebhookRefusedError, match="executor deaf accepts no webhooks") as refused:
        await Deaf().admit(REQUEST)
    assert refused.value.status == 403


@pytest.mark.parametrize("status", [200, 399, 500])
def test_a_refusal_is_the_senders_fault(status: int) -> None:
    with pytest.raises(ValueError, match=f"400 to 499, not {status}"):
        WebhookRefusedError(status, "no")


@pytest.mark.parametrize("said", [{}, {"external_id": ""}, {"external_id": "7", "uid": "u"}])
def test_a_correlation_names_one_thing(said: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="exactly one of external_id and uid"):
        Correlation(**said)
