"""The operator as it is shipped, the chart with the image of this checkout, on a cluster that runs pods.

Where Docker answers, the tests of `tests/e2e` run so, on kind; a node of this project's does as well.
"""

import shutil
from pathlib import Path
from typing import Protocol

from chart.helm import CHART, Helm
from cluster.clusters import Cluster
from cluster.processes import wait_until
from cluster.resolve import Choice, Existing, Kind, Surroundings, choose
from image.build import Image
from local.demo import SERVER
from local.examples import Example

NAMESPACE = "taskaction-e2e"
RELEASE = "taskaction"
SELECTOR = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
SECONDS = 180
SETTINGS = (
    "accounts.everywhere=true",
    "settings.HTTP_ALLOWED_CIDRS=127.0.0.0/8",  # the examples' outside world, which shares the pod's network
    "release.timeout=10s",
)


class Importing(Cluster, Protocol):
    """A cluster that takes an image without a registry."""

    def import_image(self, archive: Path) -> None:
        """Give its nodes the image of a tar file."""


def choose_stage(around: Surroundings) -> Choice:
    """Give where the e2e tests run: the user's cluster, else kind where Docker answers, else what is possible."""
    choice = choose(around)
    return Kind() if not isinstance(choice, Existing) and around.docker_answers() else choice


def find_helm(kubeconfig: Path) -> Helm:
    """Give the Helm of the machine, else the project's own: a machine with Docker needs no Go."""
    program = shutil.which("helm")
    return Helm(Path(program), kubeconfig) if program else Helm.built(kubeconfig)


def install(cluster: Importing, image: Image, helm: Helm) -> None:
    """Install the chart with the image, and return when the operator is ready and the examples' world answers it."""
    cluster.import_image(image.archive)
    repository, _, tag = image.name.rpartition(":")
    chosen = (f"image.repository={repository}", f"image.tag={tag}", "image.pullPolicy=Never", *SETTINGS)
    helm(
        "upgrade", "--install", RELEASE, str(CHART), f"--namespace={NAMESPACE}", "--create-namespace", "--wait",
        f"--timeout={SECONDS}s", *(f"--set={value}" for value in chosen), timeout=SECONDS + 30,
    )  # fmt: skip
    start_world(cluster, image)


def start_world(cluster: Cluster, image: Image) -> None:
    """Let the server that the http examples call listen on the loopback address of the operator's pod."""
    kubectl = cluster.kubectl.within(NAMESPACE)
    pod = kubectl("get", "pods", f"--selector={SELECTOR}",
                  "--output=jsonpath={.items[0].metadata.name}").strip()  # fmt: skip
    kubectl("debug", pod, f"--image={image.name}", "--image-pull-policy=Never", "--profile=restricted",
            "--container=world", "--", "/opt/taskaction/bin/python3", "-c", SERVER.read_text())  # fmt: skip
    running = "--output=jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}"
    wait_until(lambda: bool(kubectl("get", "pod", pod, running).strip()), timeout=60, what="the examples' world to run")


def uninstall(cluster: Cluster, helm: Helm) -> None:
    """Take everything away again but the kinds."""
    helm("uninstall", RELEASE, f"--namespace={NAMESPACE}", "--wait", f"--timeout={SECONDS}s", timeout=SECONDS + 30)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=60s")


def lacks(example: Example) -> str | None:
    """Say why an example cannot run with the image: it brings code that the image has not."""
    return "it brings a plug-in, which would have to be in the image" if (example.folder / "plugin").exists() else None
