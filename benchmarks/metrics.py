"""Reads what programs say of themselves: Prometheus text, and a process's CPU time and memory from /proc."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

REQUESTS = "apiserver_request_total"
WRITE_VERBS = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})
_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)(?: -?\d+)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


@dataclass(frozen=True)
class Sample:
    """One line of Prometheus' text format."""

    name: str
    labels: Mapping[str, str]
    value: float


def parse(text: str, names: frozenset[str] | None = None) -> Iterator[Sample]:
    """Give the samples of a text, or only those of some names: an API server has 10,000 others."""
    for line in text.split("\n"):  # a label may hold what else ends lines elsewhere
        if line.startswith("#") or not line.strip():
            continue
        if names is not None and line.partition("{")[0].partition(" ")[0] not in names:
            continue
        found = _SAMPLE.match(line)
        if not found:
            raise ValueError(f"this is no sample in Prometheus' text format: {line!r}")
        labels = {name: unescaped(value) for name, value in _LABEL.findall(found["labels"] or "")}
        yield Sample(found["name"], labels, float(found["value"]))


def unescaped(value: str) -> str:
    """Give a label's value as it was before it was written down."""
    return re.sub(r'\\[\\"n]', lambda found: _ESCAPES[found[0]], value)


def total(text: str, name: str) -> float:
    """Give the sum of a metric over all its labels; 0 where it was never counted."""
    return sum(sample.value for sample in parse(text, frozenset({name})))


@dataclass(frozen=True)
class Writes:
    """How often each kind of object was written, by verb and subresource, since an API server has started."""

    counts: Mapping[tuple[str, str, str, str], float]

    @classmethod
    def of(cls, text: str) -> "Writes":
        """Read them from an API server's metrics; refused and failed ones count, since they cost as much."""
        counts: dict[tuple[str, str, str, str], float] = {}
        for sample in parse(text, frozenset({REQUESTS})):
            labels = sample.labels
            if labels["verb"] in WRITE_VERBS:
                key = (labels.get("group", ""), labels["resource"], labels.get("subresource", ""), labels["verb"])
                counts[key] = counts.get(key, 0) + sample.value
        return cls(counts)

    def since(self, before: "Writes") -> "Writes":
        """Give what came after an earlier reading."""
        differences = {key: value - before.counts.get(key, 0) for key, value in self.counts.items()}
        return Writes({key: value for key, value in differences.items() if value})

    def of_resource(self, resource: str) -> float:
        """Give the number of writes to a resource and its subresources, in whatever group."""
        return sum(value for key, value in self.counts.items() if key[1] == resource)

    def __str__(self) -> str:
        """List them for people."""
        lines = sorted(
            f"{verb} {resource}{f'/{subresource}' if subresource else ''} {value:.0f}"
            for (_, resource, subresource, verb), value in self.counts.items()
        )
        return ", ".join(lines)


def cpu_seconds(stat: str, ticks: int | None = None) -> float:
    """Give user and system time from the content of /proc/PID/stat."""
    after_name = stat.rpartition(")")[2].split()  # a program's name may contain anything
    return (int(after_name[11]) + int(after_name[12])) / (ticks or os.sysconf("SC_CLK_TCK"))


def resident_mb(status: str) -> float:
    """Give the resident memory from the content of /proc/PID/status."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    if not found:
        raise ValueError("the process says nothing of its resident memory")
    return int(found[1]) / 1024


def cpu_of(pid: int) -> float:
    """Give the CPU seconds that a process has used."""
    return cpu_seconds(Path(f"/proc/{pid}/stat").read_text())


def memory_of(pid: int) -> float:
    """Give the resident memory of a process in MB."""
    return resident_mb(Path(f"/proc/{pid}/status").read_text())
