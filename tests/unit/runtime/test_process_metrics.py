"""Metrics that were renamed have the same samples by both names."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from taskaction.runtime.process_metrics import ProcessMetrics


def samples(metrics: ProcessMetrics, name: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Give the samples of a metric by what follows its name, and by labels."""
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name.removeprefix(name), tuple(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(name)
    }


@pytest.mark.parametrize("kind", ["counter", "gauge", "histogram"])
def test_a_renamed_metric_has_the_same_samples_by_both_names(kind: str) -> None:
    metrics = ProcessMetrics("sample")
    metric = getattr(metrics, kind)("present", "Number of things.", "label")
    metrics.export_former_names({"taskaction_former": "taskaction_present"})
    for value, label in enumerate(("a", "b"), 1):
        (metric.labels(label).observe if kind == "histogram" else metric.labels(label).inc)(value)
    found = samples(metrics, "taskaction_former")
    assert found == samples(metrics, "taskaction_present")
    assert len(found) >= 2


def test_a_former_name_of_a_metric_that_the_process_does_not_have_is_not_exported() -> None:
    metrics = ProcessMetrics("sample")
    metrics.export_former_names({"taskaction_former": "taskaction_missing"})
    assert samples(metrics, "taskaction_former") == {}
