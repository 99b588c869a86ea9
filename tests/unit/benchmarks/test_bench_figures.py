"""Which figures are measured, and how the pure parts of the measurements count."""

import pytest

from benchmarks.__main__ import why
from benchmarks.figures import GROUPS
from benchmarks.figures.abort import DESCENDANTS, ROOT, tree
from benchmarks.figures.group import chosen
from benchmarks.figures.latency import quantile
from benchmarks.figures.writes import COUNT, per_action
from benchmarks.load import Finished
from benchmarks.machine import cpu_model, memory_mb
from benchmarks.metrics import Writes
from cluster.errors import ClusterError

PROMISED = {
    "noop_writes_per_action": "<= 1",
    "claimed_writes_per_action": "<= 2",
    "noop_share_of_ceiling": ">= 0.8",
    "noop_share_of_reference": ">= 0.55",
    "operator_cpu_ms_per_action": "<= 1",
    "status_write_ratio": "<= 1.6",
    "latency_p50_ms": "<= 25",
    "latency_p99_ms": "<= 150",
    "latency_added_p99_ms": "<= 40",
    "memory_mb_10k_queued": "<= 200",
    "loop_pause_ms": "<= 50",
    "memory_mb_hostile": "<= 100",
    "restart_s_10k": "<= 15",
    "memory_mb_100k_queued": "<= 600",
    "restart_s_100k": "<= 30",
    "abort_tree_s": "<= 2",
    "node_ready_s": "<= 20",
    "job_share_of_bare": ">= 0.8",
    "pod_writes_per_action": "<= 3",
    "image_mb": "<= 100",
    "engine_runs_per_s": ">= 20000",
    "engine_growth": "<= 1.3",
    "fairness": "<= 1.5",
    "neighbour_p99_ratio": "<= 3",
    "neighbour_share": ">= 0.4",
    "client_import_ms": "<= 150",
    "client_submit_share": ">= 0.8",
    "schedule_wrong": "<= 0",
    "history_writes_per_s": ">= 1000",
    "history_cpu_ms": "<= 0.5",
    "history_lost": "<= 0",
    "history_double": "<= 0",
    "history_noop_share": ">= 0.9",
    "console_list_ms": "<= 100",
    "console_list_sqlite_ms": "<= 100",
    "secret_leaks": "<= 0",
    "values_changed": "<= 0",
    "http_effects": "<= 0",
    "http_effects_invented": "<= 0",
    "parked_cpu_share": "<= 0.01",
    "flow_states_per_s": ">= 20000",
    "flow_validate_ms": "<= 200",
    "flow_chain_p50_ms": "<= 150",
    "flow_chain_writes": "<= 10",
    "map_items_per_s": ">= 2000",
    "map_writes_per_100": "<= 1",
    "replicas_3_wait_gain": ">= 2.4",
    "replica_overhead_ms": "<= 0.1",
    "replica_apiserver_overhead_ms": "<= 0.1",
    "replicas_3_noop_share": ">= 0.9",
    "takeover_stop_s": "<= 2",
    "takeover_crash_s": "<= 8",
    "lease_writes_per_second": "<= 4",
    "chaos_lost": "<= 0",
    "chaos_repeated": "<= 0",
    "chaos_disordered": "<= 0",
    "order_violations": "<= 0",
    "interrupted_p99_s": "<= 30",
    "rate_excess": "<= 0",
    "enqueue_share_of_ceiling": ">= 0.5",
    "enqueue_api_calls": "<= 1",
    "watch_p50_ms": "<= 10",
    "watch_p99_ms": "<= 100",
    "watch_api_calls": "<= 0",
    "watch_kb_each": "<= 100",
    "sdk_fanout_share": ">= 0.4",
}


def test_the_promised_figures_are_measured_against_the_promised_targets():
    figures = {figure.name: figure for group in GROUPS for figure in group.figures}
    assert {name: str(figure.target) for name, figure in figures.items() if figure.target} == PROMISED


def test_no_two_figures_have_one_name():
    names = [figure.name for group in GROUPS for figure in group.figures]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        pytest.param({"latency_p99_ms"}, ["latency"], id="by figure"),
        pytest.param({"growth"}, ["growth"], id="by group"),
        pytest.param({"restart_s_10k", "noop_writes_per_action"}, ["writes", "restart"], id="in the usual order"),
        pytest.param(set(), [group.name for group in GROUPS], id="all"),
    ],
)
def test_groups_are_chosen_by_the_name_of_a_figure_or_their_own(names, groups):
    assert [group.name for group in chosen(GROUPS, frozenset(names))] == groups


def test_a_name_that_nothing_has_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"nothing is called speed; there are: .*latency_p50_ms"):
        chosen(GROUPS, frozenset({"speed", "latency"}))


def test_the_tree_has_the_promised_descendants_on_three_levels():
    parents = tree()
    assert len(parents) == DESCENDANTS + 1
    assert parents[ROOT] is None
    assert parents["root-7-3-4"] == "root-7-3"
    names = list(parents)
    assert all(names.index(parent) < names.index(name) for name, parent in parents.items() if parent)
    assert max(name.count("-") for name in names) == 3


@pytest.mark.parametrize(("share", "expected"), [(0.5, 51), (0.99, 100), (1.0, 100), (0.0, 1)])
def test_a_quantile_is_one_of_the_values(share, expected):
    assert quantile([float(value) for value in range(100, 0, -1)], share) == expected


def test_creations_by_kubectl_are_not_the_operators_writes():
    counted = Writes(
        {
            ("taskaction.dev", "taskactions", "", "POST"): COUNT,
            ("taskaction.dev", "taskactions", "status", "PATCH"): COUNT,
            ("coordination.k8s.io", "leases", "", "PUT"): 20,
        }
    )
    assert per_action(counted) == 1.0


def test_a_watch_counts_each_finished_action_once():
    seen = Finished()
    for line in (
        b'{"type":"ADDED","object":{"metadata":{"name":"a-1","namespace":"n","resourceVersion":"5"}}}',
        b'{"type":"MODIFIED","object":{"metadata":{"name":"a-1","namespace":"n","resourceVersion":"8"}}}',
        b'{"type":"BOOKMARK","object":{"metadata":{"name":"","resourceVersion":"9"}}}',
        b'{"type":"DELETED","object":{"metadata":{"name":"a-2","resourceVersion":"10"}}}',
        b"",
    ):
        seen.note(line)
    assert list(seen.moments) == ["a-1"]


async def test_what_never_finishes_is_told_with_how_far_it_came():
    with pytest.raises(ClusterError, match="0 of 3 actions had finished"):
        await Finished().reach(3, timeout=0.01)


def test_the_machine_is_described_from_what_the_kernel_says():
    assert memory_mb("MemTotal:       16384000 kB\nMemFree: 1 kB\n") == 16000
    assert cpu_model("processor\t: 0\nmodel name\t: Some CPU @ 3GHz\n") == "Some CPU @ 3GHz"
    assert cpu_model("processor\t: 0\n")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(ClusterError("gone\nwith its log"), "ClusterError: gone", id="one line of several"),
        pytest.param(
            ExceptionGroup("load", [ExceptionGroup("watch", [OSError("refused")])]), "OSError: refused", id="of a group"
        ),
    ],
)
def test_a_failure_is_told_by_its_first_cause_in_one_line(error, text):
    assert why(error) == text
