"""Writes, CPU time and memory are read right from what programs and the kernel say."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest

from benchmarks.metrics import Sample, Writes, cpu_of, cpu_seconds, memory_of, parse, resident_mb, total

TEXT = """\
# HELP apiserver_request_total Counter of apiserver requests
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",component="apiserver",dry_run="",group="taskaction.dev",resource="taskactions",\
scope="resource",subresource="",verb="POST",version="v1alpha1"} 50
apiserver_request_total{code="200",component="apiserver",dry_run="",group="taskaction.dev",resource="taskactions",\
scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 40
apiserver_request_total{code="409",component="apiserver",dry_run="",group="taskaction.dev",resource="taskactions",\
scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 2
apiserver_request_total{code="200",component="apiserver",dry_run="",group="taskaction.dev",resource="taskactions",\
scope="cluster",subresource="",verb="LIST",version="v1alpha1"} 7
apiserver_request_total{code="200",component="apiserver",dry_run="",group="coordination.k8s.io",resource="leases",\
scope="resource",subresource="",verb="PUT",version="v1"} 16
apiserver_other_total{verb="POST"} 9
process_cpu_seconds_total 1.5e+01
"""


def test_writes_are_counted_by_resource_whatever_became_of_them():
    writes = Writes.of(TEXT)
    assert writes.of_resource("taskactions") == 92
    assert writes.of_resource("leases") == 16
    assert writes.of_resource("events") == 0


def test_only_what_came_after_an_earlier_reading_counts():
    later = Writes.of(TEXT.replace('verb="PATCH",version="v1alpha1"} 40', 'verb="PATCH",version="v1alpha1"} 60'))
    assert later.since(Writes.of(TEXT)).of_resource("taskactions") == 20
    assert later.since(Writes.of(TEXT)).of_resource("leases") == 0
    assert str(later.since(Writes.of(TEXT))) == "PATCH taskactions/status 20"


def test_a_metric_without_labels_is_read_and_comments_are_not():
    assert [sample for sample in parse(TEXT) if not sample.labels] == [Sample("process_cpu_seconds_total", {}, 15.0)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("apiserver_request_total", 115), ("process_cpu_seconds_total", 15), ("apiserver_request", 0)],
)
def test_a_total_is_the_sum_over_all_labels_of_exactly_this_name(name, expected):
    assert total(TEXT, name) == expected


@given(st.dictionaries(st.sampled_from("abc"), st.text(max_size=8), min_size=3), st.integers(1, 10**9))
def test_whatever_a_real_client_writes_is_read_back(labels, count):
    registry = CollectorRegistry()
    Counter("things", "Things.", sorted(labels), registry=registry).labels(**labels).inc(count)
    text = generate_latest(registry).decode()
    found = list(parse(text, frozenset({"things_total"})))
    assert found == [Sample("things_total", labels, count)]


def test_a_line_that_is_no_sample_is_named():
    with pytest.raises(ValueError, match=r"no sample.*<html>"):
        list(parse("<html>\n"))


def test_cpu_time_is_user_and_system_time_even_if_the_name_looks_like_fields():
    fields = ["R", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "150", "50", "77", "88"]
    assert cpu_seconds(f"4711 (odd ) 1 2 (name) {' '.join(fields)}", ticks=100) == 2.0


def test_resident_memory_is_given_in_mb():
    assert resident_mb("Name:\tpython\nVmPeak:\t  999 kB\nVmRSS:\t  204800 kB\n") == 200
    with pytest.raises(ValueError, match="resident memory"):
        resident_mb("Name:\tgone\nState:\tZ (zombie)\n")


def test_a_living_process_has_used_some_of_both():
    assert cpu_of(os.getpid()) > 0
    assert 5 < memory_of(os.getpid()) < 5000
