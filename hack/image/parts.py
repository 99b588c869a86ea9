"""What a build without a daemon, a registry or a package index needs, made once for all checkouts: tools, base, wheels.

Each is a recipe of the cache (`cluster.binaries`), so an interrupted one goes on and two builders do not collide.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import Compile, Say
from cluster.errors import ClusterError

ROOT = Path(__file__).parents[2]
REQUIREMENTS = tuple(ROOT / "hack" / "requirements" / name for name in ("runtime.txt", "build.txt"))
"""What is installed into the image, and what builds the project's own wheel and the bill of materials."""
SUITE = "bookworm"
PYTHON = "3.11"
"""The Python of the suite; the wheels must fit it."""
IN_BASE = "python3,python3-venv,ca-certificates,libstdc++6"
LEFT_OUT = ("share/man", "share/doc", "share/info", "share/locale", "lib/*/gconv")
"""What of these packages no program of the image reads."""
REMOVED = ("share/perl", "lib/*/perl")
"""What only the installation of these packages reads; what dpkg itself needs is in `perl-base`, elsewhere."""
LOG_LINES = 15
OVERLAY = 'mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr && shift && exec "$@"'


@dataclass(frozen=True)
class Tools:
    """Buildah and mmdebstrap out of Debian's packages, with those they depend on; nothing is installed."""

    packages: tuple[tuple[str, str], ...] = (("tools", "buildah mmdebstrap"),)

    @property
    def name(self) -> str:
        """Name the cache folder."""
        release = platform.freedesktop_os_release()
        return f"image-tools-{digest(self.packages, release.get('ID'), release.get('VERSION_ID'), platform.machine())}"

    def maker(self, say: Say) -> Compile:  # noqa: ARG002 - takes seconds
        """Fetch and unpack; apt checks the downloads against the archive's signed index."""
        return unpack


@dataclass(frozen=True)
class Base:
    """A Debian with Python and nothing that it does not need, as a tar file."""

    tools: Path
    packages: tuple[tuple[str, str], ...] = (("base.tar", IN_BASE),)

    @property
    def name(self) -> str:
        """Name the cache folder."""
        return f"image-base-{SUITE}-{digest(self.packages, LEFT_OUT, REMOVED, platform.machine())}"

    def maker(self, say: Say) -> Compile:
        """Bootstrap it."""

        def bootstrap(packages: str, out: Path) -> None:
            say("      installing Debian's packages into a folder, about a minute")
            left_out = [f"--dpkgopt=path-exclude=/usr/{name}/*" for name in LEFT_OUT]
            removed = "--customize-hook=rm -r " + " ".join(f'"$1"/usr/{name}' for name in REMOVED)
            what = ["--variant=essential", f"--include={packages}", *left_out, removed, "--format=tar", SUITE, str(out)]
            run(with_tools(self.tools, ["mmdebstrap", *what]))

        return bootstrap


@dataclass(frozen=True)
class Wheels:
    """The packages of the image and of its build, by their hashes, as files."""

    packages: tuple[tuple[str, str], ...] = (("wheels", ""),)

    @property
    def name(self) -> str:
        """Name the cache folder."""
        return f"image-wheels-{digest(*(path.read_text() for path in REQUIREMENTS), PYTHON, platform.machine())}"

    def maker(self, say: Say) -> Compile:  # noqa: ARG002 - takes seconds
        """Download them with the host's pip, which knows how to reach an index."""

        def download(_: str, out: Path) -> None:
            how = ["--quiet", "--only-binary=:all:", f"--python-version={PYTHON}", "--require-hashes"]
            what = [f"--requirement={path}" for path in REQUIREMENTS]
            run([sys.executable, "-m", "pip", "download", *how, f"--dest={out}", *what])

        return download


def unpack(packages: str, out: Path) -> None:
    """Put programs of Debian's packages and what they need, but the machine has not, into a folder."""
    shutil.rmtree(out, ignore_errors=True)
    (out / "debs" / "partial").mkdir(parents=True)
    apart = ["Debug::NoLocking=1", "APT::Sandbox::User=root", f"Dir::Cache::archives={out / 'debs'}"]
    how = ["--download-only", "--yes", "--no-install-recommends", *(f"--option={option}" for option in apart)]
    try:
        run(["apt-get", "install", *how, *packages.split()])
        for archive in sorted((out / "debs").glob("*.deb")):
            run(["dpkg-deb", "--extract", str(archive), str(out)])
    except (ClusterError, FileNotFoundError) as error:
        mend = "install buildah and mmdebstrap, or run `apt-get update` and try again"
        raise ClusterError(f"Debian's packages of {packages} cannot be had here: {mend}; {error}") from error
    shutil.rmtree(out / "debs")


def run(command: list[str], *, env: dict[str, str] | None = None) -> str:
    """Run a command and give what it says."""
    found = {**os.environ, "LC_ALL": "C", **(env or {})}
    done = subprocess.run(command, cwd=ROOT, env=found, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).splitlines()[-LOG_LINES:])
        raise ClusterError(f"{' '.join(command)} failed; mend this and run it again:\n{said}")
    return done.stdout


def with_tools(tools: Path, command: list[str]) -> list[str]:
    """Return the command in a mount namespace where `/usr` has the tools, since buildah calls itself without PATH."""
    return ["unshare", "--mount", "--propagation=private", "sh", "-c", OVERLAY, "sh", str(tools), *command]


def digest(*what: object) -> str:
    """Return a short name for what decides a folder's content."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:12]
