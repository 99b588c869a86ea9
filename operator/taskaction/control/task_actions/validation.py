"""What decisions need of the parameters of an action: whether they are valid, what they say about the executor."""

import asyncio
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from taskaction.api.parameters import parameters_size, size_problem
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import TASK_ACTIONS, Cluster
from taskaction.control.objects.background import Background
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests
from taskaction.control.providers.providers import Offer
from taskaction.lifecycle.state import Blocker
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.errors import InvalidParametersError, TransientError
from taskaction.plugin.evaluation import BudgetExceededError, Evaluator
from taskaction.plugin.json_schema import model_problem, model_problem_of_plain, nesting_problem
from taskaction.plugin.schema_cost import value_units
from taskaction.plugin.secrets import reveal, secrets_in

PATH = "spec.parameters"
CHEAP_PARTS = 10_000
"""Maximum number of parts of parameters that the event loop checks by an executor's model, about 20 ms."""
KEPT_BYTES = 2_048
"""Maximum size of parameters that stay in memory while an action waits."""


class ParameterInspector:
    """Inspector of the parameters of actions: what decisions need of them is kept, large ones are not.

    An action whose parameters are not in memory is read again for each call, so the memory that it takes while it waits
    does not depend on its size.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        persistently: RetryingCall,
        evaluator: Evaluator,
        background: Background,
        requests: Requests,
        max_bytes: int,
    ) -> None:
        """Create an inspector; it requests reconciliation of every action that was evaluated in the background."""
        self._cluster = cluster
        self._persistently = persistently
        self._evaluator = evaluator
        self._background = background
        self._requests = requests
        self._max_bytes = max_bytes
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def inspect(self, record: ActionRecord, executor: AbstractExecutor, offer: Offer | None) -> bool:
        """Keep what the parameters mean for an executor or provider; return False if they must be read first."""
        subject = offer.provider.spec if offer is not None else executor
        if record.inspected_for is subject:
            return True
        if not record.has_parameters:
            return False
        action = record.action
        parameters = action.spec.parameters
        traits = executor.traits(parameters, offer.provider.spec.config if offer is not None else {})
        blocker, costly = self._size_blocker(parameters), False
        if blocker is None and not action.spec.parameters_from:  # otherwise they are validated when they are read
            problem = cheap_problem(parameters, executor, offer)
            blocker = _blocker(Reason.INVALID_PARAMETERS, problem) if problem is not None else None
            costly = blocker is None and not is_cheap(parameters, executor, offer)
        record.keep_inspection(
            subject, traits, blocker, must_be_evaluated=costly and not record.status.phase.is_started
        )
        return True

    def begin_evaluation(self, record: ActionRecord, executor: AbstractExecutor, offer: Offer | None) -> None:
        """Begin the check of the parameters if it is not cheap; it occupies no worker."""
        if record.must_be_evaluated and not record.is_validating:
            record.begin_evaluation()
            self._background.start(
                self._evaluate(record, executor, offer, record.inspected_for), name=f"validate {record.uid}"
            )

    async def read(self, record: ActionRecord) -> TaskAction:
        """Return the action with its parameters.

        Raises:
            TransientError: it no longer exists.
        """
        if record.has_parameters:
            return record.action
        body = await self._persistently(lambda: self._cluster.get(TASK_ACTIONS, record.name, record.namespace))
        if body is None or body["metadata"]["uid"] != record.uid:
            raise TransientError("the action was deleted")
        spec = record.action.spec.model_copy(update={"parameters": TaskAction.from_body(body).spec.parameters})
        return record.action.model_copy(update={"spec": spec})

    @staticmethod
    def is_large(record: ActionRecord) -> bool:
        """Whether the parameters in memory are too large to be kept."""
        return record.has_parameters and parameters_size(record.action.spec.parameters) > KEPT_BYTES

    async def _evaluate(
        self, record: ActionRecord, executor: AbstractExecutor, offer: Offer | None, subject: object
    ) -> None:
        turn = self._turns.get(record.namespace)
        if turn is None:
            turn = self._turns[record.namespace] = asyncio.Lock()
        blocker = None
        async with turn:  # one object of a namespace is in memory at a time
            try:
                parameters = (await self.read(record)).spec.parameters
                await asyncio.sleep(0)  # to read large ones takes some time, and to send them to a worker process
                await check_parameters(self._evaluator, record.namespace, parameters, executor, offer)
            except (InvalidParametersError, BudgetExceededError) as error:
                blocker = _blocker(Reason(error.code), str(error))
            except TransientError:
                return  # a notification reports the deletion
        if record.end_evaluation(subject, blocker):
            self._requests.reconcile(record)

    def _size_blocker(self, parameters: Mapping[str, Any]) -> Blocker | None:
        problem = size_problem(parameters, self._max_bytes)
        return _blocker(Reason.PARAMETERS_TOO_LARGE, problem) if problem is not None else None


async def check_parameters(
    evaluator: Evaluator,
    namespace: str,
    parameters: Mapping[str, Any],
    executor: AbstractExecutor,
    offer: Offer | None,
) -> None:
    """Check parameters whose check is not cheap.

    Raises:
        InvalidParametersError: they are invalid.
        BudgetExceededError: the check exceeds its budget.
    """
    problem = None
    if offer is None:
        hidden = frozenset(place for place, _ in secrets_in(parameters))
        plain = reveal(parameters) if hidden else parameters
        problem = await evaluator.run(namespace, PATH, model_problem_of_plain, executor.PARAMETERS, plain, PATH, hidden)
    elif offer.inputs is not None:
        problem = await evaluator.find_problem(namespace, offer.inputs, parameters, PATH)
    if problem is not None:
        raise InvalidParametersError(problem)


def cheap_problem(parameters: Mapping[str, Any], executor: AbstractExecutor, offer: Offer | None) -> str | None:
    """Return what is invalid in the parameters, with the field path; None if ``check_parameters`` must decide.

    The ``inputSchema`` of a provider applies to its users; the executor's own model applies to inline use.
    """
    if (problem := nesting_problem(parameters, PATH)) is not None:
        return problem
    if not is_cheap(parameters, executor, offer):
        return None
    if offer is not None:
        return offer.inputs.problem(parameters) if offer.inputs is not None else None
    return model_problem(executor.PARAMETERS, parameters, PATH) if executor.PARAMETERS is not None else None


def is_cheap(parameters: Mapping[str, Any], executor: AbstractExecutor, offer: Offer | None) -> bool:
    """Whether the event loop may check the parameters."""
    if offer is not None:
        return offer.inputs is None or offer.inputs.is_cheap_for(parameters)
    return executor.PARAMETERS is None or value_units(parameters, CHEAP_PARTS) <= CHEAP_PARTS


def _blocker(reason: Reason, message: str) -> Blocker:
    return Blocker(reason=reason, message=message, final=True)
