"""What schedules make, as objects: creates, lists and deletes them, each idempotently; decides nothing.

No call is repeated here: after an outage it must be decided again whether an object is still due. With
``spec.template.spec.runAs``, that account creates the objects, so the API server checks its rights and not the
operator's.
"""

from taskaction.api.action_schedule import ActionSchedule
from taskaction.api.enums import ParentKind
from taskaction.api.reasons import Reason
from taskaction.cluster.accounts import account_user
from taskaction.cluster.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    QuotaReachedError,
)
from taskaction.cluster.gateway import Body, Cluster
from taskaction.cluster.write_slots import WriteRank, WriteSlots
from taskaction.control.objects.denials import explain_denial
from taskaction.control.objects.owned import RESOURCES
from taskaction.control.schedules.history import by_age
from taskaction.control.schedules.manifests import account_of, is_owned_by
from taskaction.control.schedules.statuses import Refusal
from taskaction.core.constants import SCHEDULE_LABEL


class ScheduledObjects:
    """Client for the objects of schedules."""

    def __init__(self, cluster: Cluster, slots: WriteSlots, closed_namespaces: frozenset[str]) -> None:
        self._cluster = cluster
        self._slots = slots
        self._closed = closed_namespaces

    async def ensure(self, schedule: ActionSchedule, body: Body) -> Body | Refusal:
        """Create the object of a time unless it exists, and return it; or return why it was not made."""
        namespace, account = schedule.metadata.namespace, account_of(body["spec"])
        if account and namespace in self._closed:
            return Refusal(
                Reason.FORBIDDEN,
                f"spec.template.spec.runAs: accounts of namespace {namespace!r} are never used; create the schedule in "
                "another namespace",
            )
        while True:
            try:
                return await self._create(schedule.spec.template.kind, body, account)
            except (AlreadyExistsError, QuotaReachedError) as error:  # the API server checks quotas before names
                found = await self._get(schedule, body["metadata"]["name"])
                if found is not None:
                    return found if is_owned_by(schedule, found) else _name_taken(found)
                if isinstance(error, QuotaReachedError):
                    return Refusal(Reason.QUOTA_EXCEEDED, str(error))
                continue  # deleted in between
            except ForbiddenError as error:
                return Refusal(
                    Reason.FORBIDDEN, explain_denial(error, account, namespace, "the objects of the schedule")
                )
            except (InvalidError, NotFoundError, ConflictError) as error:
                return Refusal(Reason.INVALID_TEMPLATE, f"spec.template: {error}")

    async def list_all(self, schedule: ActionSchedule) -> list[Body]:
        """Return all objects of a schedule, oldest first."""
        metadata, resource = schedule.metadata, RESOURCES[schedule.spec.template.kind]

        async def read() -> list[Body]:
            found = self._cluster.list(resource, metadata.namespace, label_selector=f"{SCHEDULE_LABEL}={metadata.name}")
            return by_age([body async for body in found if is_owned_by(schedule, body)])

        return await self._slots.run(metadata.namespace, WriteRank.AWAITED, read)

    async def delete(self, schedule: ActionSchedule, found: Body) -> None:
        """Delete an object of a schedule; an unfinished one is thereby aborted."""
        metadata, resource = found["metadata"], RESOURCES[schedule.spec.template.kind]
        await self._slots.run(
            metadata["namespace"],
            WriteRank.NEWS,
            lambda: self._cluster.delete(resource, metadata["name"], metadata["namespace"], uid=metadata["uid"]),
        )

    async def _get(self, schedule: ActionSchedule, name: str) -> Body | None:
        namespace, resource = schedule.metadata.namespace, RESOURCES[schedule.spec.template.kind]
        return await self._slots.run(namespace, WriteRank.AWAITED, lambda: self._cluster.get(resource, name, namespace))

    async def _create(self, kind: ParentKind, body: Body, account: str) -> Body:
        namespace = body["metadata"]["namespace"]
        user = account_user(namespace, account) if account else None
        return await self._slots.run(
            namespace,
            WriteRank.AWAITED,
            lambda: self._cluster.create(RESOURCES[kind], body, namespace, as_user=user),
        )


def _name_taken(found: Body) -> Refusal:
    kind, name = found.get("kind", "object"), found["metadata"]["name"]
    return Refusal(
        Reason.NAME_TAKEN,
        f"{kind} {name!r} exists and does not belong to this schedule: delete it, or give the schedule another name",
    )
