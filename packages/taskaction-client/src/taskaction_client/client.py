"""The asynchronous client."""

import os
from pathlib import Path
from typing import Self

from taskaction_client.collection import Collection
from taskaction_client.credentials import Credentials, find_account
from taskaction_client.objects import Action, FlowRun
from taskaction_client.transport import Transport
from taskaction_client.types.action_flow_run import ActionFlowRunSpec
from taskaction_client.types.task_action import TaskActionSpec


class Client:
    """Connection to one cluster; use it as ``async with Client() as client``.

    Attributes:
        actions: the verbs on actions.
        flow_runs: the verbs on runs of flows.
    """

    def __init__(
        self,
        *,
        kubeconfig: str | Path | None = None,
        context: str | None = None,
        namespace: str | None = None,
        connections: int = 32,
        retry_for: float = 60.0,
    ) -> None:
        """Find the credentials as kubectl does; connect to nothing yet.

        ``connections`` bounds the requests at the same time, watches apart. A request is repeated for ``retry_for``
        seconds while the API server does not respond or throttles.

        Raises:
            ConfigurationError: there are no usable credentials; the message says what to set.
        """
        file = Path(kubeconfig).expanduser() if kubeconfig is not None else None
        account = find_account(file, context, os.environ)
        self._transport = Transport(Credentials(account), connections=connections, retry_for=retry_for)
        place = namespace or account.namespace
        self.actions = Collection[Action, TaskActionSpec](self._transport, Action, place)
        self.flow_runs = Collection[FlowRun, ActionFlowRunSpec](self._transport, FlowRun, place)

    async def __aenter__(self) -> Self:
        """Prepare the connections."""
        await self._transport.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections; actions continue."""
        await self._transport.close()
