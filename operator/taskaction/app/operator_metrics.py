"""Metrics of the operator; gauges get their values from the replica."""

from taskaction.runtime.process_metrics import ProcessMetrics


class OperatorMetrics(ProcessMetrics):
    """Metrics of the operator."""

    def __init__(self) -> None:
        super().__init__("operator")
        self.admitted = self.counter("actions_seen", "Number of actions seen for the first time by this process.")
        self.finished = self.counter(
            "actions_finished", "Number of actions that ended, by phase and reason.", "phase", "reason"
        )
        self.runs_finished = self.counter(
            "flow_runs_finished", "Number of flow runs that ended, by phase and reason.", "phase", "reason"
        )
        self.attempts = self.counter("attempts", "Number of attempts that were started, by executor.", "executor")
        self.queue_wait = self.histogram(
            "queue_wait_seconds",
            "Time actions spend queued before a worker picks them up: to start, or to be polled.",
            "turn",
        )
        self.quota_wait = self.histogram(
            "quota_wait_seconds", "Time actions are parked until a quota of their target is renewed."
        )
        self.rates_exhausted = self.counter(
            "rates_exhausted",
            "Number of times that actions had to wait because the rate of a provider was used up.",
        )
        self.calls = self.histogram(
            "executor_call_seconds", "Duration of calls of executors, by executor and outcome.", "executor", "outcome"
        )
        self.latency = self.histogram("action_seconds", "Time from the creation of an action to its durable end.")
        self.writes = self.counter("status_writes", "Number of status writes of actions that became durable.")
        self.overtaken = self.counter(
            "status_overtaken", "Number of status writes given up because another owner has written."
        )
        self.refused = self.counter(
            "status_refused", "Number of objects that take no status at all, because they are too large."
        )
        self.abandoned = self.counter("cancels_abandoned", "Number of cancels that executors did not confirm in time.")
        self.storage_errors = self.counter(
            "storage_errors",
            "Number of times that the storage did not take or return data of an action or run, by error: denied, "
            "unavailable.",
            "error",
        )
        self.files_removed = self.counter(
            "storage_files_removed",
            "Number of files that were removed from the storage because no object needs them, by kind.",
            "kind",
        )
        self.storage_shared = self.gauge(
            "storage_shared",
            "Whether several operators use, or may use, the folder of the storage, so that it is not swept (1).",
        )
        self.history_records = self.counter("history_records", "Number of records that were written to the history.")
        self.history_failures = self.counter(
            "history_failures", "Number of calls that the database of the history did not answer, or refused."
        )
        self.history_missed = self.counter(
            "history_missed",
            "Number of objects that are gone without a record in the history, by cause: QueueFull, HoldExceeded.",
            "cause",
        )
        self.history_waiting = self.gauge("history_waiting", "Number of records that wait to be written.")
        self.history_away = self.gauge(
            "history_away_seconds", "Seconds since the database of the history does not answer; 0 if it does."
        )
        self.events_dropped = self.counter("events_dropped", "Number of Kubernetes Events that were not posted.")
        self.queue_depth = self.gauge("queue_depth", "Number of actions waiting for a worker.")
        self.backlog = self.gauge("backlog_actions", "Number of actions waiting outside a full queue.")
        self.parked = self.gauge("actions_parked", "Number of actions parked until a quota of their target is renewed.")
        self.workers = self.gauge("workers", "Maximum number of concurrent executor calls.")
        self.workers_busy = self.gauge("workers_busy", "Number of busy workers.")
        self.shards = self.gauge("shards", "Number of shards, for all replicas together.")
        self.shards_held = self.gauge("shards_held", "Number of shards that this replica owns.")
        self.clock_skew = self.gauge(
            "clock_skew_seconds", "Time by which the clock of this replica is ahead of the API server's."
        )
        self.action_events = self.gauge(
            "action_events_waiting", "Number of ActionEvents that no action has consumed yet."
        )
        self.events_unmatched = self.counter(
            "action_events_unmatched",
            "Number of ActionEvents that matched no action for a minute, or until they expired, by what named it.",
            "by",
        )
        self.live = self.gauge("actions_live", "Number of unfinished actions that this replica knows.")
        self.runs_live = self.gauge("flow_runs_live", "Number of unfinished flow runs.")
        self.schedules = self.gauge("schedules", "Number of schedules that this replica knows.")
        self.schedule_objects = self.counter(
            "schedule_objects_made", "Number of objects that schedules made for their times, by kind.", "kind"
        )
        self.schedule_refusals = self.counter(
            "schedule_objects_refused",
            "Number of times that the object of a schedule was not made, with repetitions, by reason.",
            "reason",
        )
        self.schedule_missed = self.counter(
            "schedule_times_missed", "Number of nominal times of schedules for which no object was made."
        )
        self.schedule_delay = self.histogram(
            "schedule_delay_seconds",
            "Time from the nominal time of a schedule, jitter included, to the creation of its object.",
        )
        self.watch_reduced = self.gauge(
            "watch_reduced", "Whether this replica leaves out the actions that only other replicas need (1)."
        )
        self.notices = self.gauge("notices_waiting", "Number of notifications waiting to be processed.")
        self.watch_age = self.gauge("watch_age_seconds", "Seconds since the last event of the most silent watch.")
