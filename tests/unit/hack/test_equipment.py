"""Programs from several recipes in one folder, and programs out of packages."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster import debian, equipment
from cluster.binaries import Compile, Say
from cluster.equipment import Equipment
from cluster.errors import ClusterError


@dataclass(frozen=True)
class Written:
    """A recipe whose programs are files with the package's name."""

    name: str
    packages: tuple[tuple[str, str], ...]

    def maker(self, _: Say) -> Compile:
        return lambda package, out: out.write_text(package)


NEEDED = Equipment((Written("one", (("kubelet", "k"),)), Written("two", (("runc", "r"), ("ctr", "c")))))


def silent(_: str) -> None:
    pass


def test_a_folder_leads_to_every_program(tmp_path: Path) -> None:
    (tmp_path / "plane").mkdir()
    (tmp_path / "plane" / "etcd").write_text("e")
    root = tmp_path / "cache"
    assert not equipment.are_built(NEEDED, root)
    folder = equipment.build(tmp_path / "plane", NEEDED, root=root, say=silent)
    assert equipment.are_built(NEEDED, root)
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"etcd": "e", "kubelet": "k", "runc": "r", "ctr": "c"}
    assert equipment.build(tmp_path / "plane", NEEDED, root=root, say=silent) == folder
    assert [path for path in root.iterdir() if path.name.startswith(f"{folder.name}.")] == []


def test_another_control_plane_has_another_folder(tmp_path: Path) -> None:
    for name in "plane", "other":
        (tmp_path / name).mkdir()
    built = {equipment.build(tmp_path / name, NEEDED, root=tmp_path, say=silent) for name in ("plane", "other")}
    assert len(built) == 2


def test_every_pinned_program_has_its_recipe() -> None:
    names = {name for recipe in equipment.REAL.recipes for name, _ in recipe.packages}
    assert names >= {"kubelet", "kube-scheduler", "containerd", "runc", "bridge", "host-local", "loopback", "busybox"}
    assert all(recipe.name for needed in (equipment.REAL, equipment.SIMULATED) for recipe in needed.recipes)


def test_a_package_that_cannot_be_fetched_is_named_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses = tmp_path / "apt-get"
    refuses.write_text("#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    refuses.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ClusterError, match=r"package runc: run `apt-get update`.*Unable to locate package"):
        debian.fetch("runc:usr/sbin/runc", tmp_path / "runc", say=silent)
