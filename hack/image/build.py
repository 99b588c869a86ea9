"""From the Dockerfile to one archive in `dist/`; the same file whether Docker or buildah has made it."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import Cache, Say
from cluster.resolve import docker_answers
from image.contents import read
from image.parts import ROOT, Base, Tools, Wheels, run, with_tools
from release.versions import Version

DIST = ROOT / "dist"
REPOSITORY = "localhost/taskaction-operator"
"""A name that no registry can be asked for."""
ISOLATED = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
TRUST = '{"default": [{"type": "insecureAcceptAnything"}]}'
"""Buildah asks for a policy; nothing is pulled, so there is nothing to trust."""
MEGABYTE = 1_000_000
SBOM = "opt/taskaction/sbom.cdx.json"


@dataclass(frozen=True)
class Image:
    """The archive, and the name by which a cluster knows the image once it is imported."""

    archive: Path
    name: str

    @property
    def sbom(self) -> Path:
        """What the image holds, as CycloneDX has it: the file beside the archive."""
        return self.archive.with_suffix(".cdx.json")

    @property
    def megabytes(self) -> float:
        """What a node would fetch: the layers are compressed."""
        return self.archive.stat().st_size / MEGABYTE


def build(*, say: Say = print, dist: Path = DIST) -> Image:
    """Build the image of this checkout."""
    version = Version.of_checkout()
    image = Image(dist / f"taskaction-operator-{version.semantic}.tar", f"{REPOSITORY}:{version.semantic}")
    told = f"--build-arg=VERSION={version.python}"
    dist.mkdir(exist_ok=True)
    part = image.archive.with_suffix(f".{os.getpid()}.part")  # others may be building, too
    part.unlink(missing_ok=True)
    if docker_answers():
        say("image: building with Docker")
        run(["docker", "build", told, f"--tag={image.name}", "."])
        run(["docker", "save", f"--output={part}", image.name])
    else:
        build_without_daemon(image.name, part, say, told)
    part.rename(image.archive)
    image.sbom.write_bytes(read(image.archive, SBOM))
    return image


def build_without_daemon(name: str, archive: Path, say: Say, *options: str) -> None:
    """Build with buildah, on a base of our own; leaves nothing behind but the archive."""
    tools = Cache(recipe=Tools()).build(say=say) / "tools"
    base = Cache(recipe=Base(tools)).build(say=say) / "base.tar"
    wheels = Cache(recipe=Wheels()).build(say=say) / "wheels"
    with tempfile.TemporaryDirectory(prefix="taskaction-image-") as folder:
        buildah = Buildah(tools, Path(folder))
        say("image: making the base")
        buildah.base(base, "localhost/base")
        say("image: building")
        buildah("build", f"--volume={wheels}:/wheels:ro", "--build-arg=BASE=localhost/base",
                "--build-arg=PIP_OPTIONS=--no-index --find-links=/wheels", *options,
                f"--tag={name}", str(ROOT))  # fmt: skip
        buildah("push", name, f"oci-archive:{archive}:{name}")


class Buildah:
    """One buildah with folders of its own."""

    def __init__(self, tools: Path, folder: Path) -> None:
        """Write what it insists on finding."""
        self._tools = tools
        self._folder = folder
        (folder / "policy.json").write_text(TRUST)

    def __call__(self, verb: str, *arguments: str) -> str:
        """Run one command."""
        storage = [f"--root={self._folder / 'storage'}", f"--runroot={self._folder / 'run'}"]
        trust = [f"--signature-policy={self._folder / 'policy.json'}"]
        return run(with_tools(self._tools, ["buildah", *storage, verb, *trust, *arguments]), env=ISOLATED)

    def base(self, archive: Path, name: str) -> None:
        """Make an image of one layer out of a tar file."""
        dockerfile = self._folder / "Dockerfile"
        dockerfile.write_text(f"FROM scratch\nADD {archive.name} /\n")
        self("build", f"--tag={name}", f"--file={dockerfile}", str(archive.parent))
