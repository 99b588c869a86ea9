"""What every process of the project tells Prometheus of itself: its version, its CPU time and its memory."""

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from taskaction import __version__


def describe_process(registry: CollectorRegistry, component: str) -> None:
    """Add what is the same for each component."""
    ProcessCollector(registry=registry)
    build = Gauge("taskaction_build_info", "1, by component and version.", ("component", "version"), registry=registry)
    build.labels(component, __version__).set(1)
