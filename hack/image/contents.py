"""Looks into an image's archive, without a daemon; the archive is OCI's or Docker's, and its layers packed or not."""

import tarfile
from pathlib import Path

from cluster.errors import ClusterError


def read(archive: Path, path: str) -> bytes:
    """Return a file of an image, from the layer that has it; raises ``ClusterError`` where none has."""
    with tarfile.open(archive) as outer:
        for member in outer.getmembers():
            blob = outer.extractfile(member) if member.isfile() else None
            if blob is None:
                continue
            try:
                with tarfile.open(fileobj=blob) as layer:
                    found = layer.extractfile(path)
                    if found is not None:
                        return found.read()
            except (tarfile.ReadError, KeyError):
                continue  # no layer, or one without the file
    raise ClusterError(f"{archive} holds no {path}")
