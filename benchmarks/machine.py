"""Where and with what it was measured: a figure means nothing without."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

PYTHON_PACKAGES = {"operator": "taskaction-operator", "kopf": "kopf", "aiohttp": "aiohttp", "pydantic": "pydantic"}


def machine() -> dict[str, Any]:
    """Describe the machine, and how busy it is already."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": memory_mb(Path("/proc/meminfo").read_text()),
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "load": round(os.getloadavg()[0], 2),
    }


def versions(programs: Path) -> dict[str, str]:
    """Give the versions of everything that takes part."""
    found = {"python": platform.python_version()}
    found |= {"kubernetes": said(programs / "kube-apiserver"), "etcd": said(programs / "etcd")}
    return found | {name: version(package) for name, package in PYTHON_PACKAGES.items()}


def memory_mb(meminfo: str) -> int:
    """Give the memory from the content of /proc/meminfo."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, re.MULTILINE)
    return int(found[1]) // 1024 if found else 0


def cpu_model(cpuinfo: str) -> str:
    """Give the CPU's name from the content of /proc/cpuinfo; some architectures name none."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1] if found else platform.machine()


def said(program: Path) -> str:
    """Give the version that a program says it has."""
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v?(\d+\.\d+\.\d+\S*)", text)
    return found[1] if found else "unknown"
