"""The pytest plug-in: fixtures for tests of actions, flows and executors; loads nothing until one of them is used."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from taskaction.testing.provider import FakeActionProvider
    from taskaction.testing.simulation import Simulation
    from taskaction.testing.targets import HttpServer

_DOCKER_SECONDS = 10


@pytest.fixture
def taskaction_plugins() -> tuple[Any, ...]:
    """Override it to give classes of executors that ``taskactions`` has beside those that are installed."""
    return ()


@pytest.fixture
def taskaction_settings() -> Mapping[str, Any]:
    """Override it to give settings of the operator by their names, such as ``{"workers_count": 1}``."""
    return {}


@pytest.fixture
def taskactions(taskaction_plugins: tuple[Any, ...], taskaction_settings: Mapping[str, Any]) -> "Iterator[Simulation]":
    """Return a cluster in memory with an operator at work, whose time stands still until the test moves it."""
    from taskaction.testing.simulation import Simulation

    with Simulation(*taskaction_plugins, settings=taskaction_settings) as simulation:
        yield simulation


@pytest.fixture
def http_target(taskactions: "Simulation") -> "HttpServer":
    """Return a real HTTP server on loopback that answers as it is told."""
    from taskaction.testing.targets import HttpServer

    server: HttpServer = taskactions.open(HttpServer())
    return server


@pytest.fixture
def action_provider(taskactions: "Simulation") -> "FakeActionProvider":
    """Return a Globus Action Provider on loopback whose actions stand as they are told."""
    from taskaction.testing.provider import FakeActionProvider

    provider: FakeActionProvider = taskactions.open(FakeActionProvider())
    return provider


@pytest.fixture(scope="session")
def taskaction_kubeconfig(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return the kubeconfig of a real cluster with the CRDs in it; skips where none can be had.

    That is the cluster that KUBECONFIG names; else a kind cluster of pytest-kind's where Docker answers; else a control
    plane of the checkout of this project that TASKACTION_CHECKOUT names.
    """
    named = os.environ.get("KUBECONFIG")
    checkout = os.environ.get("TASKACTION_CHECKOUT")
    if named:
        kubeconfig = Path(named)
        _install_crds(kubeconfig)
        yield kubeconfig
    elif _docker_answers() and request.config.pluginmanager.hasplugin("pytest-kind"):
        kubeconfig = Path(request.getfixturevalue("kind_cluster").kubeconfig_path)
        _install_crds(kubeconfig)
        yield kubeconfig
    elif checkout:
        yield from _of_checkout(Path(checkout))
    else:
        pytest.skip("no real cluster: set KUBECONFIG or TASKACTION_CHECKOUT, or install pytest-kind and Docker")


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return (
            subprocess.run([docker, "info"], capture_output=True, check=False, timeout=_DOCKER_SECONDS).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False


def _of_checkout(root: Path) -> Iterator[Path]:
    """Run the control plane of a checkout, as its own tests do."""
    sys.path.insert(0, str(root / "hack"))
    clusters, controlplane, resolve = (
        import_module(f"cluster.{name}") for name in ("clusters", "controlplane", "resolve")
    )
    choice = resolve.choose(resolve.Surroundings.here(root / ".run"), own=True)
    plane = controlplane.ControlPlane(clusters.programs_folder(choice)).start()
    try:
        _install_crds(plane.kubeconfig)
        yield plane.kubeconfig
    finally:
        plane.stop()


def _install_crds(kubeconfig: Path) -> None:
    """Create the CRDs that are not there yet, from the models of this version."""
    import asyncio

    from taskaction.testing.crds import install

    asyncio.run(install(kubeconfig))
