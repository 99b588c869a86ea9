"""ActionFlowRun: one run of a flow. Fields and their rules; no behaviour beyond reading them."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from taskaction.api.base import AnyJson, ApiModel, DnsName, JsonObject, Message, PositiveDuration, ShortText, Timestamp
from taskaction.api.enums import Phase
from taskaction.api.metadata import Conditions, Metadata
from taskaction.api.retries_and_timeouts import RunAs
from taskaction.api.rules import add_immutable_rules, add_rules, at_creation, name_length_rule, rules, stored_default
from taskaction.api.status_rules import add_abort_rules, add_fencing_rules, finished_spec_rules
from taskaction.api.task_action import Abort, Claim, ParentRef, Progress, Signal

MUTABLE_RUN_FIELDS = frozenset({"suspend", "abort", "signal", "ttlSecondsAfterFinished"})
"""Mutable fields of the spec; every other field is immutable after creation."""

STATES_SHOWN = 32
"""Maximum number of current states in a status."""

ENTRIES_KEPT = 32
"""Maximum number of entries of the run's log in a status."""

Label = Annotated[str, Field(min_length=1, max_length=64)]
_OUTCOME = ("reason", "error", "outputUri", "finishedAt")
_ATOMIC = {"x-kubernetes-list-type": "atomic"}


def _spec_rules(schema: dict[str, Any]) -> None:
    fixed = [name for name in schema["properties"] if name not in MUTABLE_RUN_FIELDS]
    add_rules(
        schema, at_creation("has(self.flowRef) != has(self.definition)", "set exactly one of flowRef and definition")
    )
    add_immutable_rules(schema, fixed, "delete the run and create a new one")
    add_abort_rules(schema, "run")


def _status_rules(schema: dict[str, Any]) -> None:
    add_fencing_rules(schema, "run", _OUTCOME)


def _object_rules(schema: dict[str, Any]) -> None:
    schema |= rules(
        name_length_rule(),
        at_creation(
            "!has(self.spec.parentRef) || self.spec.parentRef.kind != 'ActionFlowRun'"
            " || self.spec.parentRef.name != self.metadata.name",
            "a run cannot be its own parent: name another parent",
            fieldPath=".spec.parentRef.name",
        ),
        *finished_spec_rules(
            "run", (("abort", ": delete it instead"), ("signal", " and accepts no signal: create a new run instead"))
        ),
    )


class FlowRef(ApiModel):
    """Reference to the flow of the run."""

    name: DnsName
    """The name of an ActionFlow in the run's namespace. The run keeps the definition with which it started."""


class RunTimeouts(ApiModel):
    """Timeouts of a run."""

    total: PositiveDuration | None = None
    """Maximum time from the start of the run to its end; then TimedOut with reason TotalTimeout. Paused while the run
    is suspended. Default: the definition's `TimeoutSeconds`, otherwise one year."""


class ActionFlowRunSpec(ApiModel):
    """Specification of the run. Only suspend, abort, signal and ttlSecondsAfterFinished may change after creation."""

    model_config = ConfigDict(json_schema_extra=_spec_rules)

    flow_ref: FlowRef | None = None
    """The flow to run. Set either `flowRef` or `definition`."""
    definition: JsonObject | None = None
    """An inline flow definition, as docs/flows-language.md describes. Set either `definition` or `flowRef`."""
    input: JsonObject | None = None
    """The input, with which the state of the flow begins. Validated against the flow's `inputSchema`. Default `{}`."""
    label: Label | None = None
    """A label for people; passed to Action Providers."""
    tags: Annotated[tuple[Label, ...], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})] = ()
    """Tags by which people find the run."""
    run_as: RunAs | None = None
    """The account whose rights the run's actions use: which providers they may use, which Secrets they read, what they
    create. Without an account, actions that need rights are refused."""
    tokens: JsonObject | None = None
    """Where the tokens of each `RunAs` role come from, in the form of the parameter `tokens` of the executor `globus`:
    references to Secrets, read with the rights of `runAs`."""
    timeouts: RunTimeouts | None = None
    """Timeouts of the run."""
    parent_ref: ParentRef | None = None
    """The parent, in the same namespace. If the parent is aborted or deleted, so is this run."""
    suspend: bool | None = None
    """While true, the run starts nothing and does not time out; actions that are running continue. May change at any
    time."""
    abort: Abort | None = None
    """Ends the run and all its actions. Requires the verb `abort`. Cannot be undone."""
    signal: Signal | None = None
    """Resumes the paused actions of the run: each receives the value. Requires the verb `signal`."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=315_360_000)] | None = None
    """How long the finished run and its actions are kept, in seconds. Default: the operator's setting (24 h)."""


class CurrentState(ApiModel):
    """A current state of the run."""

    name: Annotated[str, Field(max_length=128)]
    """The state's name in the definition."""
    visit: ShortText
    """The visit of a state in this run: `3` is the third visit, `3.0.2` the second visit in its first branch."""
    action: DnsName | None = None
    """The TaskAction for which the state waits."""
    until: Timestamp | None = None
    """When the state ends or is retried."""


class RunEntry(ApiModel):
    """One entry of the run's log, in the format of Globus Flows, without private data."""

    time: Timestamp
    """When the entry was logged."""
    code: Annotated[str, Field(max_length=64)]
    """The code of the entry: FlowStarted, ActionStarted, PassCompleted and so on; the last one is FlowSucceeded,
    FlowFailed or FlowCanceled."""
    details: JsonObject = Field(default_factory=dict)
    """The state and its input or output. Values that are too large for the object are replaced by their size; the
    operator's log has the first KiB of them at level `debug`."""


class RunError(ApiModel):
    """How the run failed."""

    code: Annotated[str, Field(max_length=1000)]
    """The name of the error, for example ActionFailedException or States.Runtime."""
    message: Message
    """The cause, as text."""
    state_name: Annotated[str, Field(max_length=128)] | None = None
    """The state that failed."""
    cause: AnyJson = None
    """The cause, as the flow sees it: for a failed action, its last status document."""


class FlowVersion(ApiModel):
    """The definition with which the run started."""

    name: DnsName | None = None
    """The ActionFlow's name. Unset for an inline definition."""
    uid: Annotated[str, Field(max_length=64)] | None = None
    """The ActionFlow's uid."""
    generation: Annotated[int, Field(ge=0)] | None = None
    """The ActionFlow's generation."""
    hash: Annotated[str, Field(max_length=64)]
    """Fingerprint of the definition."""
    definition: JsonObject | None = None
    """The definition. Unset for an inline definition, which is in `spec.definition`."""


class ActionFlowRunStatus(ApiModel):
    """Observed state of the run; written only by the operator."""

    model_config = ConfigDict(json_schema_extra=_status_rules)

    phase: Annotated[Phase, Field(json_schema_extra=stored_default("Queued"))] = Phase.QUEUED
    """Phase of the run: Queued, WaitingForResources, Running or Paused; then Succeeded, Failed, Aborted or TimedOut."""
    reason: Annotated[str, Field(max_length=128)] | None = None
    """Machine-readable reason for the phase, in CamelCase."""
    message: Message | None = None
    """Human-readable reason for the phase; `kubectl get` shows it."""
    conditions: Conditions = ()
    """Conditions: Progressing and Finished; at the end Finished and Succeeded, and Failed if it did not succeed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that this status describes."""
    states: Annotated[tuple[CurrentState, ...], Field(max_length=STATES_SHOWN, json_schema_extra=_ATOMIC)] = ()
    """The current states of the run, at most 32."""
    visits: Annotated[int, Field(ge=0)] | None = None
    """Number of states that the run has entered, without those in a Parallel or Map."""
    progress: Progress | None = None
    """Progress of the branches of a Parallel or the items of a Map."""
    output: AnyJson = None
    """The final state of the flow, without private data."""
    output_uri: Annotated[str, Field(max_length=2048)] | None = None
    """URI of an output that is too large for the object, stored as JSON; `output` is then unset."""
    error: RunError | None = None
    """How the run failed."""
    log: Annotated[tuple[RunEntry, ...], Field(max_length=ENTRIES_KEPT, json_schema_extra=_ATOMIC)] = ()
    """The last 32 entries of the run's log, oldest first."""
    entries: Annotated[int, Field(ge=0)] | None = None
    """Total number of entries in the run's log."""
    flow: FlowVersion | None = None
    """The definition with which the run started. The run keeps it even if the ActionFlow changes or is deleted."""
    state: JsonObject | None = None
    """Everything that the run needs to continue, without private data. For the operator only."""
    private_state: Annotated[str, Field(max_length=64)] | None = None
    """Fingerprint of the private part of `state`, which names the Secret that holds it."""
    state_uri: Annotated[str, Field(max_length=2048)] | None = None
    """URI of a state that is too large for the object; the file is named by the SHA-256 of its content."""
    claim: Claim | None = None
    """The owner of the run."""
    signalled: Annotated[str, Field(max_length=64)] | None = None
    """Fingerprint of the last signal that was processed."""
    started_at: Timestamp | None = None
    """When the first state was entered."""
    finished_at: Timestamp | None = None
    """When the run finished."""
    suspended_at: Timestamp | None = None
    """When the run was suspended; unset while it is not."""


class ActionFlowRun(ApiModel):
    """One run of a flow. Creating the object starts the run; deleting it aborts the run and its actions."""

    model_config = ConfigDict(json_schema_extra=_object_rules)

    metadata: Metadata
    spec: ActionFlowRunSpec
    status: Annotated[ActionFlowRunStatus, Field(json_schema_extra=stored_default({"phase": "Queued"}))] = (
        ActionFlowRunStatus()
    )

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Return the model of an object from the API server; raise ``pydantic.ValidationError``."""
        return cls.model_validate(body)
