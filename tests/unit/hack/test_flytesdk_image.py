"""The image for Flyte programs is one that a node can read: the SDK is in it, and nothing that no program needs."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from support.flytesdk.image import NAME, SITE, pack


def blob(image: tarfile.TarFile, digest: str) -> bytes:
    """Give a part by its digest, which has to be its own."""
    file = image.extractfile(f"blobs/{digest.replace(':', '/')}")
    assert file is not None
    content = file.read()
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == digest
    return content


def test_it_has_the_base_and_the_packages_as_layers(tmp_path: Path) -> None:
    base, packages, out = tmp_path / "base.tar", tmp_path / "site-packages", tmp_path / "image.tar"
    with tarfile.open(base, "w") as layer:
        layer.addfile(tarfile.TarInfo("bin"))
    for name in ("flyte", "pip"):
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").write_text("")

    pack(base, packages, out)

    with tarfile.open(out) as image:
        file = image.extractfile("index.json")
        assert file is not None
        (named,) = json.loads(file.read())["manifests"]
        assert named["annotations"] == {"io.containerd.image.name": NAME}
        manifest = json.loads(blob(image, named["digest"]))
        lower, upper = (blob(image, layer["digest"]) for layer in manifest["layers"])
        assert json.loads(blob(image, manifest["config"]["digest"]))["rootfs"]["diff_ids"] == [
            layer["digest"] for layer in manifest["layers"]
        ]
    assert lower == base.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(upper)) as layer:
        names = layer.getnames()
        assert layer.getmember("usr/local/bin/a0").mode == 0o755
        assert {(entry.uid, entry.gid) for entry in layer} == {(0, 0)}
    assert f"{SITE}/flyte/__init__.py" in names
    assert not [name for name in names if "/pip" in name]
