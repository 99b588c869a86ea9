"""ActionFlowRun: one run of a flow. Fields and their rules; no behaviour beyond reading them."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import AnyJson, ApiModel, DnsName, JsonObject, Message, PositiveDuration, ShortText, Timestamp
from taskaction.api.enums import Phase
from taskaction.api.metadata import Condition, Metadata
from taskaction.api.policies import RunAs
from taskaction.api.rules import cel, immutable, name_fits_a_label, rules, stored_default
from taskaction.api.status_rules import abort_stays, fenced, settled
from taskaction.api.task_action import Abort, Claim, ParentRef, Progress, Signal

MUTABLE_RUN_FIELDS = frozenset({"suspend", "abort", "signal", "ttlSecondsAfterFinished"})
"""What may change after creation; every other field of the spec is immutable."""

STATES_SHOWN = 32
"""How many current states a status lists."""

ENTRIES_KEPT = 32
"""How many entries of the run's log a status holds."""

Label = Annotated[str, Field(min_length=1, max_length=64)]
_OUTCOME = ("reason", "error", "outputUri", "finishedAt")
_MAP_BY_TYPE = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
_ATOMIC = {"x-kubernetes-list-type": "atomic"}


def _spec_rules(schema: dict[str, Any]) -> None:
    fixed = [name for name in schema["properties"] if name not in MUTABLE_RUN_FIELDS]
    schema |= rules(
        cel("has(self.flowRef) != has(self.definition)", "set exactly one of flowRef and definition"),
        *(immutable(name, "delete the run and make a new one") for name in fixed),
        abort_stays("run"),
    )


def _status_rules(schema: dict[str, Any]) -> None:
    schema |= rules(*fenced("run", _OUTCOME))


def _object_rules(schema: dict[str, Any]) -> None:
    schema |= rules(
        name_fits_a_label(),
        cel(
            "!has(self.spec.parentRef) || self.spec.parentRef.kind != 'ActionFlowRun'"
            " || self.spec.parentRef.name != self.metadata.name",
            "a run cannot be its own parent: name another one",
            fieldPath=".spec.parentRef.name",
        ),
        *settled(
            "run", (("abort", ": delete it instead"), ("signal", " and waits for nothing: make a new run instead"))
        ),
    )


class FlowRef(ApiModel):
    """Which flow is run."""

    name: DnsName
    """The name of an ActionFlow in the run's namespace. The run keeps the definition that it started with."""


class RunTimeouts(ApiModel):
    """How long a run may last."""

    total: PositiveDuration | None = None
    """From its start to its end; then TimedOut with reason TotalTimeout. Stands still while suspended. Default: what
    the definition's `TimeoutSeconds` says, else a year."""


class ActionFlowRunSpec(ApiModel):
    """What to run. Only suspend, abort, signal and ttlSecondsAfterFinished may change after creation."""

    model_config = ConfigDict(json_schema_extra=_spec_rules)

    flow_ref: FlowRef | None = None
    """The flow to run. Set either this or `definition`."""
    definition: JsonObject | None = None
    """A flow of the run's own, as docs/flows-language.md describes. Set either this or `flowRef`."""
    input: JsonObject | None = None
    """The state of the flow with which it begins, checked against the flow's `inputSchema`. Default `{}`."""
    label: Label | None = None
    """What people call the run; passed on to Action Providers."""
    tags: Annotated[tuple[Label, ...], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})] = ()
    """Words by which people find the run."""
    run_as: RunAs | None = None
    """The account whose rights the run's actions use: which providers they may use, which Secrets they read, what they
    create. Without one, actions that need rights are refused."""
    tokens: JsonObject | None = None
    """Where the tokens of each `RunAs` role come from, in the form of the parameter `tokens` of the executor `globus`:
    references to Secrets, which are read with the rights of `runAs`."""
    timeouts: RunTimeouts | None = None
    """How long the run may last."""
    parent_ref: ParentRef | None = None
    """The parent in the same namespace. When it is aborted or deleted, so is this run."""
    suspend: bool | None = None
    """While true the run starts nothing and does not time out; what is under way goes on. May change at any time."""
    abort: Abort | None = None
    """Ends the run and all its actions; needs the verb `abort`. Cannot be taken back."""
    signal: Signal | None = None
    """Has what is paused in the run go on: the value is handed to its paused actions. Needs the verb `signal`."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = None
    """How long the finished run is kept, with its actions. Default: the operator's (24 h)."""


class CurrentState(ApiModel):
    """A state that the run is in."""

    name: Annotated[str, Field(max_length=128)]
    """The state's name in the definition."""
    visit: ShortText
    """Which visit of a state of this run it is: `3` is the third, `3.0.2` the second within the third's first part."""
    action: DnsName | None = None
    """The TaskAction that the state waits for."""
    until: Timestamp | None = None
    """When the state is over, or is tried again."""


class RunEntry(ApiModel):
    """One entry of the run's log, as Globus Flows writes it; private data is left out."""

    time: Timestamp
    """When it happened."""
    code: Annotated[str, Field(max_length=64)]
    """What happened: FlowStarted, ActionStarted, PassCompleted and so on; at last FlowSucceeded, FlowFailed or
    FlowCanceled."""
    details: JsonObject = Field(default_factory=dict)
    """The state and its input or output; of what is too large for the object, its size. The operator's log has all."""


class RunError(ApiModel):
    """How the run failed."""

    code: Annotated[str, Field(max_length=1000)]
    """The error's name, such as ActionFailedException or States.Runtime."""
    message: Message
    """Why, as text."""
    state_name: Annotated[str, Field(max_length=128)] | None = None
    """The state that failed."""
    cause: AnyJson = None
    """Why, as the flow sees it: of an action that failed its last status document."""


class FlowVersion(ApiModel):
    """Which definition the run started with."""

    name: DnsName | None = None
    """The ActionFlow's name; none where the definition is the run's own."""
    uid: Annotated[str, Field(max_length=64)] | None = None
    """Its uid."""
    generation: Annotated[int, Field(ge=0)] | None = None
    """Its generation."""
    hash: Annotated[str, Field(max_length=64)]
    """A fingerprint of the definition."""
    definition: JsonObject | None = None
    """The definition; none where it is the run's own, in `spec.definition`."""


class ActionFlowRunStatus(ApiModel):
    """What has become of the run; written only by the operator."""

    model_config = ConfigDict(json_schema_extra=_status_rules)

    phase: Annotated[Phase, Field(json_schema_extra=stored_default("Queued"))] = Phase.QUEUED
    """Queued, WaitingForResources, Running or Paused; then Succeeded, Failed, Aborted or TimedOut."""
    reason: Annotated[str, Field(max_length=128)] | None = None
    """Why, as a CamelCase word."""
    message: Message | None = None
    """Why, as a sentence; what `kubectl get` shows."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=_MAP_BY_TYPE)] = ()
    """Progressing, Succeeded, Failed and Finished."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status speaks of."""
    states: Annotated[tuple[CurrentState, ...], Field(max_length=STATES_SHOWN, json_schema_extra=_ATOMIC)] = ()
    """The states that the run is in, the first 32 where there are more."""
    visits: Annotated[int, Field(ge=0)] | None = None
    """How many states the run itself has entered, those within a Parallel or Map not counted."""
    progress: Progress | None = None
    """How far the parts of a Parallel or the items of a Map are."""
    output: AnyJson = None
    """The last state of the flow; private data is left out."""
    output_uri: Annotated[str, Field(max_length=2048)] | None = None
    """Where an output is stored that is too large for the object, as JSON; then there is no `output`."""
    error: RunError | None = None
    """How the run failed."""
    log: Annotated[tuple[RunEntry, ...], Field(max_length=ENTRIES_KEPT, json_schema_extra=_ATOMIC)] = ()
    """The last 32 entries of the run's log, oldest first."""
    entries: Annotated[int, Field(ge=0)] | None = None
    """How many entries the run's log has in all."""
    flow: FlowVersion | None = None
    """The definition that the run started with, by which it goes on whatever becomes of the ActionFlow."""
    state: JsonObject | None = None
    """All that the run needs to go on; for the operator only, without what is private."""
    private_state: Annotated[str, Field(max_length=64)] | None = None
    """Which Secret of the run holds the private part of `state`, as a fingerprint of what is in it."""
    state_uri: Annotated[str, Field(max_length=2048)] | None = None
    """Where a state is stored that is too large for the object; the file is named by the SHA-256 of what is in it."""
    claim: Claim | None = None
    """Who carries the run."""
    signalled: Annotated[str, Field(max_length=64)] | None = None
    """A fingerprint of the signal that was taken last."""
    started_at: Timestamp | None = None
    """When the first state was entered."""
    finished_at: Timestamp | None = None
    """When the last phase was reached."""
    suspended_at: Timestamp | None = None
    """Since when the run is suspended."""


class ActionFlowRun(ApiModel):
    """One run of a flow: applying it starts it, deleting it aborts it and its actions."""

    model_config = ConfigDict(json_schema_extra=_object_rules)

    metadata: Metadata
    spec: ActionFlowRunSpec
    status: Annotated[ActionFlowRunStatus, Field(json_schema_extra=stored_default({"phase": "Queued"}))] = (
        ActionFlowRunStatus()
    )

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Read an object as the API server gives it; raises ``pydantic.ValidationError``."""
        return cls.model_validate(body)
