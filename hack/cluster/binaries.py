"""Build the pinned programs once for all checkouts; knows nothing of how they are run.

The cache folder is named by version and recipe, and gets its name only when every program is in it. An interrupted
build goes on where it stopped, and of two builders at once the second waits for the first.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cluster.cache import cache_root
from cluster.errors import ClusterError
from cluster.processes import start

HACK = Path(__file__).parents[1]
MODULE = HACK / "controlplane"
KUBERNETES = "k8s.io/kubernetes"
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
GO_REQUIRED = (1, 26)
HEARTBEAT_SECONDS = 10

Say = Callable[[str], None]
Compile = Callable[[str, Path], None]
"""Turns one package into a program at a place; a stand-in in tests."""


class Recipe(Protocol):
    """What a cache folder holds, and where it comes from."""

    @property
    def packages(self) -> tuple[tuple[str, str], ...]:
        """The programs, each with the package that it comes from."""

    @property
    def name(self) -> str:
        """The cache folder's name: everything that decides its content is in it."""

    def maker(self, say: Say) -> Compile:
        """Return what makes one program."""


@dataclass(frozen=True)
class GoRecipe:
    """Programs of one Go module."""

    module: Path = MODULE
    packages: tuple[tuple[str, str], ...] = tuple(PACKAGES.items())
    title: str = "controlplane"
    pin: str = KUBERNETES
    """The dependency whose version is that of the programs."""
    tags: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version that go.mod pins."""
        found = re.search(rf"^\s*{re.escape(self.pin)} (v\S+)", (self.module / "go.mod").read_text(), re.MULTILINE)
        if not found:
            raise ClusterError(f"{self.module}/go.mod pins no {self.pin}")
        return found[1]

    @property
    def flags(self) -> list[str]:
        """The flags of `go build`; unless stamped, Kubernetes calls itself v0.0.0 and clients complain."""
        stamps = {}
        if self.pin == KUBERNETES:
            major, minor = self.version.removeprefix("v").split(".")[:2]
            stamps = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        linked = [f"-X k8s.io/component-base/version.{name}={value}" for name, value in stamps.items()]
        tags = [f"-tags={','.join(self.tags)}"] if self.tags else []
        return ["-trimpath", f"-ldflags={' '.join(['-s -w', *linked])}", *tags]

    @property
    def name(self) -> str:
        """Name the cache folder."""
        digest = hashlib.sha256()
        for file in "go.mod", "go.sum":
            digest.update((self.module / file).read_bytes())
        digest.update(f"{self.flags} {self.packages} {platform.system()} {platform.machine()}".encode())
        return f"{self.title}-{self.version}-{digest.hexdigest()[:12]}"

    def maker(self, say: Say) -> Compile:
        """Build with the Go toolchain."""
        return GoBuild(self, say=say)


class Cache:
    """The built programs of one recipe."""

    def __init__(self, root: Path | None = None, recipe: Recipe | None = None) -> None:
        """Look into the user's cache folder, unless told otherwise."""
        self.root = root or cache_root()
        self.recipe: Recipe = recipe or GoRecipe()
        self.folder = self.root / self.recipe.name

    def is_complete(self) -> bool:
        """Whether every program is there."""
        return all((self.folder / name).exists() for name, _ in self.recipe.packages)

    def build(self, *, say: Say = print, compile_package: Compile | None = None) -> Path:
        """Build what is missing and give the folder."""
        compile_package = compile_package or self.recipe.maker(say)
        self.root.mkdir(parents=True, exist_ok=True)
        with self._alone(say):
            if self.is_complete():
                return self.folder
            unfinished = self.root / f"{self.recipe.name}.unfinished"
            unfinished.mkdir(exist_ok=True)
            begun, count = time.monotonic(), len(self.recipe.packages)
            for number, (name, package) in enumerate(self.recipe.packages, start=1):
                if (unfinished / name).exists():
                    say(f"[{number}/{count}] {name}: built before")
                    continue
                say(f"[{number}/{count}] {name}: building")
                part = unfinished / f"{name}.part"
                compile_package(package, part)
                part.rename(unfinished / name)
                say(f"[{number}/{count}] {name}: done, {time.monotonic() - begun:.0f} s so far")
            shutil.rmtree(self.folder, ignore_errors=True)  # a folder from which somebody took a program
            unfinished.rename(self.folder)
        return self.folder

    @contextmanager
    def _alone(self, say: Say) -> Iterator[None]:
        with (self.root / f"{self.recipe.name}.lock").open("w") as lock:  # the kernel unlocks when the builder dies
            begun, heartbeat = time.monotonic(), Heartbeat(say)
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    heartbeat.beat(f"waiting for another build of the same programs, {time.monotonic() - begun:.0f} s")
                    time.sleep(0.2)
            yield


class Heartbeat:
    """Printer of progress from time to time, so that nobody takes a long wait for a hang."""

    def __init__(self, say: Say) -> None:
        """Start silently."""
        self._say = say
        self._last = time.monotonic()

    def beat(self, text: str) -> None:
        """Speak, if the last word was long enough ago."""
        if time.monotonic() - self._last >= HEARTBEAT_SECONDS:
            self._last = time.monotonic()
            self._say(text)


class GoBuild:
    """Builds one package with the Go toolchain."""

    def __init__(self, recipe: GoRecipe, *, say: Say) -> None:
        """Build in the recipe's own module, whatever the user's workspace says."""
        self._recipe = recipe
        self._say = say

    def __call__(self, package: str, out: Path) -> None:
        """Build into a file."""
        command = ["go", "build", *self._recipe.flags, "-o", str(out), package]
        begun, heartbeat = time.monotonic(), Heartbeat(self._say)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            log = Path(folder) / "log"
            env = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTMPDIR": folder}
            program = start("go", command, mark=str(out), log=log, tied=True, env=env, cwd=self._recipe.module)
            try:
                while program.is_running():
                    heartbeat.beat(f"      still building, {time.monotonic() - begun:.0f} s")
                    time.sleep(0.2)
            finally:
                program.end()
            if program.popen and program.popen.returncode:
                raise ClusterError(f"go build {package} failed; mend this and run it again:\n{program.log_tail()}")


def go_version(module: Path = MODULE) -> tuple[int, int] | None:
    """Return the Go version that would build the module (Go may fetch a newer one), or None without Go."""
    if not shutil.which("go"):
        return None
    said = subprocess.run(["go", "version"], cwd=module, capture_output=True, text=True, check=False)
    found = re.search(r"go(\d+)\.(\d+)", said.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
