"""Images in the form of tar files, made without Docker from one static busybox; loads them nowhere."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SHELL = ("sh",)
PAUSE = ("sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait; done")
"""Holds a pod's namespaces: ends when it is told to, and collects orphans, as a shell that waits does."""
MANIFEST, CONFIG, LAYER = (
    f"application/vnd.oci.image.{kind}" for kind in ("manifest.v1+json", "config.v1+json", "layer.v1.tar")
)


def image(busybox: Path, command: tuple[str, ...], name: str) -> bytes:
    """Return an image of busybox with all its programs, in OCI's form."""
    layer = root_filesystem(busybox)
    config = as_json(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Cmd": list(command), "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        }
    )
    manifest = as_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(config, CONFIG),
            "layers": [described(layer, LAYER)],
        }
    )
    named = described(manifest, MANIFEST) | {"annotations": {"io.containerd.image.name": name}}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        add(archive, "oci-layout", as_json({"imageLayoutVersion": "1.0.0"}))
        add(archive, "index.json", as_json({"schemaVersion": 2, "manifests": [named]}))
        for content in layer, config, manifest:
            add(archive, f"blobs/{digest(content).replace(':', '/')}", content)
    return out.getvalue()


def root_filesystem(busybox: Path) -> bytes:
    """Return a layer with busybox under all its names, two users, and a folder that everybody may write to."""
    names = subprocess.run([str(busybox), "--list"], capture_output=True, text=True, check=True).stdout.split()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        add(archive, "bin/busybox", busybox.read_bytes(), mode=0o755)
        for name in sorted(set(names) - {"busybox"}):
            add(archive, f"bin/{name}", link="busybox")
        add(archive, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
        add(archive, "tmp", mode=0o1777, kind=tarfile.DIRTYPE)
    return layer.getvalue()


def add(
    archive: tarfile.TarFile,
    name: str,
    content: bytes = b"",
    *,
    mode: int = 0o644,
    link: str = "",
    kind: bytes = tarfile.REGTYPE,
) -> None:
    """Add an entry that depends on nothing but its content."""
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.SYMTYPE if link else kind
    entry.size, entry.mode, entry.linkname = len(content), mode, link
    archive.addfile(entry, io.BytesIO(content))


def described(content: bytes, kind: str) -> dict[str, Any]:
    """Return a descriptor."""
    return {"mediaType": kind, "digest": digest(content), "size": len(content)}


def digest(content: bytes) -> str:
    """Return the name of a content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def as_json(content: Any) -> bytes:
    """Return the one JSON form of a content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
