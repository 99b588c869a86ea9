"""Validation of the parameters of actions before they are queued; what is not cheap is evaluated in the background."""

from collections.abc import Mapping
from typing import Any

from taskaction.api.reasons import Reason
from taskaction.control.objects.background import Background
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests
from taskaction.control.providers.providers import Offer
from taskaction.lifecycle.state import Blocker
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.evaluation import BudgetExceededError, Evaluator
from taskaction.plugin.json_schema import SchemaChecker, model_problem, nesting_problem

PATH = "spec.parameters"


class ParameterValidation:
    """Validation of parameters, once for each action and specification of its provider; it occupies no worker."""

    def __init__(self, evaluator: Evaluator, background: Background, requests: Requests) -> None:
        """Create a validation; it requests reconciliation of every action that was evaluated in the background."""
        self._evaluator = evaluator
        self._background = background
        self._requests = requests

    def blocker_of(self, record: ActionRecord, executor: AbstractExecutor, offer: Offer | None) -> Blocker | None:
        """Return why the parameters prevent a start, or None."""
        validator = offer.provider.spec if offer is not None else executor
        if record.validated_with is not validator:
            parameters = record.action.spec.parameters
            problem = cheap_problem(parameters, executor, offer)
            blocker = _blocker(Reason.INVALID_PARAMETERS, problem) if problem is not None else None
            checker = costly_checker(parameters, offer) if problem is None else None
            if record.status.phase.is_started:
                checker = None
            record.begin_validation(validator, blocker, is_validating=checker is not None)
            if checker is not None:
                self._background.start(self._evaluate(record, checker, validator), name=f"validate {record.uid}")
        return record.parameters_blocker

    async def _evaluate(self, record: ActionRecord, checker: SchemaChecker, validator: object) -> None:
        try:
            await check_parameters(self._evaluator, record.namespace, record.action.spec.parameters, checker)
            blocker = None
        except (InvalidParametersError, BudgetExceededError) as error:
            blocker = _blocker(Reason(error.code), str(error))
        if record.end_validation(validator, blocker):
            self._requests.reconcile(record)


async def check_parameters(
    evaluator: Evaluator, namespace: str, parameters: Mapping[str, Any], checker: SchemaChecker
) -> None:
    """Check parameters by a schema.

    Raises:
        InvalidParametersError: they are invalid.
        BudgetExceededError: the check exceeds its budget.
    """
    problem = await evaluator.find_problem(namespace, checker, parameters, PATH)
    if problem is not None:
        raise InvalidParametersError(problem)


def cheap_problem(parameters: Mapping[str, Any], executor: AbstractExecutor, offer: Offer | None) -> str | None:
    """Return what is invalid in the parameters, with the field path; None if nothing is, or ``costly_checker`` decides.

    The ``inputSchema`` of a provider applies to its users; the executor's own model applies to inline use.
    """
    if (problem := nesting_problem(parameters, PATH)) is not None:
        return problem
    if offer is not None:
        checker = offer.inputs
        return checker.problem(parameters) if checker is not None and checker.is_cheap_for(parameters) else None
    return model_problem(executor.PARAMETERS, parameters, PATH) if executor.PARAMETERS is not None else None


def costly_checker(parameters: Mapping[str, Any], offer: Offer | None) -> SchemaChecker | None:
    """Return the schema of the provider if the event loop must not check the parameters by it."""
    checker = offer.inputs if offer is not None else None
    return checker if checker is not None and not checker.is_cheap_for(parameters) else None


def _blocker(reason: Reason, message: str) -> Blocker:
    return Blocker(reason=reason, message=message, final=True)
