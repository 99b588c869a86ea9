"""What a node's programs are told: files that they can read, addresses that do not clash, images that are whole."""

import hashlib
import io
import ipaddress
import json
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

from cluster.node import images, settings
from cluster.node.link import NETWORK, NUMBERS, Link


def test_the_configuration_files_say_what_was_meant(tmp_path: Path) -> None:
    files = settings.files(tmp_path / "state", tmp_path / "programs", "taskaction7")
    told = tomllib.loads(files["containerd.toml"])
    assert told == settings.containerd_settings(tmp_path / "state", tmp_path / "programs")
    assert yaml.safe_load(files["kubelet.yaml"])["cgroupRoot"] == "/taskaction7"
    assert json.loads(files["cni/10-pods.conflist"]) == settings.network()


def test_toml_has_tables_within_tables() -> None:
    content = {"version": 3, "plugins": {"a.b": {"on": True, "names": ["x"], "deeper": {"text": 'a "b"'}}, "c": {}}}
    assert tomllib.loads(settings.toml(content)) == {**content, "plugins": {"a.b": content["plugins"]["a.b"]}}


def test_no_two_links_share_a_name_or_an_address() -> None:
    links = [Link(number) for number in NUMBERS]
    assert len({link.name for link in links}) == len({link.host for link in links} | set()) == len(links)
    assert not {link.host for link in links} & {link.node for link in links}
    assert max(len(link.name) for link in links) <= 15  # the kernel takes no longer ones
    assert all(ipaddress.ip_address(link.node) in ipaddress.ip_network(NETWORK) for link in (links[0], links[-1]))
    assert (Link(65).host, Link(65).node) == ("10.213.1.5", "10.213.1.6")


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    program = tmp_path / "busybox"
    program.write_text("#!/bin/sh\nprintf 'busybox\\nsh\\nls\\n'\n")
    program.chmod(0o755)
    return program


def test_an_image_holds_what_its_index_names(busybox: Path) -> None:
    archive = images.image(busybox, ("sh",), "registry.local/name:1")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        contents = {entry.name: tar.extractfile(entry).read() for entry in tar}
    blobs = {name: content for name, content in contents.items() if name.startswith("blobs/sha256/")}
    assert all(name.endswith(hashlib.sha256(content).hexdigest()) for name, content in blobs.items())

    def blob(described: dict[str, str]) -> bytes:
        return blobs[f"blobs/sha256/{described['digest'].removeprefix('sha256:')}"]

    (entry,) = json.loads(contents["index.json"])["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "registry.local/name:1"}
    manifest = json.loads(blob(entry))
    assert json.loads(blob(manifest["config"]))["config"]["Cmd"] == ["sh"]
    with tarfile.open(fileobj=io.BytesIO(blob(manifest["layers"][0]))) as layer:
        links = {found.name: found.linkname for found in layer if found.issym()}
        assert links == {"bin/sh": "busybox", "bin/ls": "busybox"}
        assert layer.getmember("bin/busybox").mode == 0o755
        assert layer.getmember("tmp").mode == 0o1777


def test_the_same_image_is_the_same_file(busybox: Path) -> None:
    assert images.image(busybox, ("sh",), "a:1") == images.image(busybox, ("sh",), "a:1")
