"""An image with the published Flyte SDK, for pods of Flyte's programs: made without Docker, from parts that are cached.

Two layers: the Debian with Python that the operator's image stands on, and the packages of the SDK's environment.
"""

import hashlib
import platform
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.binaries import Cache, Compile, Say
from cluster.errors import ClusterError
from cluster.node.images import ARCHITECTURES, CONFIG, LAYER, MANIFEST, add, as_json, described
from image.parts import PYTHON, Base, Tools
from support.flytesdk import environment

NAME = "localhost/flyte:1"
"""What programs call it; no registry can be asked for that."""
SITE = "opt/flyte/packages"
ENTRYPOINT = b"#!/usr/bin/python3\nfrom flyte._bin.runtime import main\nmain()\n"
"""`a0`, the first of the arguments in the templates that the SDK makes; as the package installs it."""
_LEFT_OUT = ("pip", "setuptools", "pkg_resources", "flyte_controller_base")
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class SdkImage:
    """The archive, in OCI's form."""

    base: Path
    python: Path
    packages: tuple[tuple[str, str], ...] = (("image.tar", ""),)

    @property
    def name(self) -> str:
        """Name the cache folder."""
        told = f"{self.base.parent.name} {self.python} {ENTRYPOINT!r} {_LEFT_OUT}"
        return f"flytesdk-image-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def maker(self, say: Say) -> Compile:
        """Pack it."""
        return lambda _, out: pack(self.base, site_packages(self.python), out)


def archive(say: Say = print) -> Path:
    """Give the archive, which is built where it is missing: a minute, once."""
    version = ".".join(map(str, sys.version_info[:2]))
    if version != PYTHON:
        raise ClusterError(f"the image's Python is {PYTHON} and the SDK is installed for {version}: use {PYTHON}")
    tools = Cache(recipe=Tools()).build(say=say) / "tools"
    base = Cache(recipe=Base(tools)).build(say=say) / "base.tar"
    recipe = SdkImage(base, environment.python(say))
    return Cache(recipe=recipe).build(say=say) / "image.tar"


def site_packages(python: Path) -> Path:
    """Give where an environment's packages are."""
    return next((python.parents[1] / "lib").glob("python3.*/site-packages"))


def pack(base: Path, packages: Path, out: Path) -> None:
    """Write the image of two layers."""
    with tempfile.TemporaryDirectory(prefix="taskaction-flytesdk-", dir=out.parent) as folder:
        upper = Path(folder, "upper.tar")
        with tarfile.open(upper, "w") as layer:
            layer.add(packages, SITE, filter=_kept)
            add(layer, "usr/local/bin/a0", ENTRYPOINT, mode=0o755)
        layers = [(path, _described(path)) for path in (base, upper)]
        config = as_json(
            {
                "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
                "os": "linux",
                "config": {
                    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", f"PYTHONPATH=/{SITE}", "PYTHONUNBUFFERED=1"],
                    "WorkingDir": "/",
                },
                "rootfs": {"type": "layers", "diff_ids": [descriptor["digest"] for _, descriptor in layers]},
            }
        )
        manifest = as_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": described(config, CONFIG),
                "layers": [descriptor for _, descriptor in layers],
            }
        )
        named = described(manifest, MANIFEST) | {"annotations": {"io.containerd.image.name": NAME}}
        with tarfile.open(out, "w") as image:
            add(image, "oci-layout", as_json({"imageLayoutVersion": "1.0.0"}))
            add(image, "index.json", as_json({"schemaVersion": 2, "manifests": [named]}))
            for content in config, manifest:
                add(image, _blob(described(content, "")["digest"]), content)
            for path, descriptor in layers:
                image.add(path, _blob(descriptor["digest"]))


def _kept(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what no program needs; what stays belongs to root, at its own time, by which bytecode is believed."""
    name = entry.name.removeprefix(SITE).lstrip("/").partition("/")[0]
    if name in _LEFT_OUT:
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _described(path: Path) -> dict[str, Any]:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return {"mediaType": LAYER, "digest": f"sha256:{found.hexdigest()}", "size": path.stat().st_size}


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
