"""Programs out of Debian's packages, of which nothing is installed; checks them and records what they were."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import Compile, Say
from cluster.errors import ClusterError

PACKAGES = {"runc": "runc:usr/sbin/runc", "busybox": "busybox-static:bin/busybox"}
"""Runc needs cgo and libseccomp to be built, busybox is no Go; each with its package and the file in it."""
TOOLS = ("apt-get", "dpkg-deb")
FETCH_SECONDS = 120
REFUSED = "apt-get could not fetch Debian's package {name}: run `apt-get update`, then try again; it said: {said}"


@dataclass(frozen=True)
class DebianRecipe:
    """Programs from the machine's own Debian or Ubuntu, whose archive keeps no old versions that could be pinned."""

    packages: tuple[tuple[str, str], ...] = tuple(PACKAGES.items())

    @property
    def name(self) -> str:
        """Name the cache folder."""
        release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
        told = f"{self.packages} {release.get('ID')} {release.get('VERSION_ID')} {platform.machine()}"
        return f"debian-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def maker(self, say: Say) -> Compile:
        """Fetch and unpack."""
        return lambda package, out: fetch(package, out, say=say)


def fetch(package: str, out: Path, *, say: Say) -> None:
    """Put one program of a package into place; apt checks the download against the archive's signed index."""
    name, _, member = package.partition(":")
    with tempfile.TemporaryDirectory(prefix="taskaction-debian-") as folder:
        run(["apt-get", "download", "-o=APT::Sandbox::User=root", name], Path(folder), name)
        archive = next(Path(folder).glob("*.deb"))
        run(["dpkg-deb", "--extract", str(archive), folder], Path(folder), name)
        version = run(["dpkg-deb", "--field", str(archive), "Version"], Path(folder), name).strip()
        program = Path(folder, member)
        run([str(program), "--help"], Path(folder), name)  # a missing library is found here, not in the node's logs
        record = {"package": name, "version": version, "sha256": sha256(archive), "program": sha256(program)}
        say(f"      {name} {version}, sha256 {record['sha256']}")
        out.with_name(f"{program.name}.json").write_text(json.dumps(record, indent=1) + "\n")
        shutil.copy2(program, out)


def run(command: list[str], folder: Path, name: str) -> str:
    """Run a command and give what it says."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        timeout=FETCH_SECONDS,
    )
    if done.returncode:
        raise ClusterError(REFUSED.format(name=name, said=" ".join((done.stderr or done.stdout).split())))
    return done.stdout


def sha256(path: Path) -> str:
    """Return a file's digest."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
