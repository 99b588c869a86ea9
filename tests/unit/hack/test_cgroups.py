"""Control groups in folders that look like the kernel's; with the kernel's own they are made by every real node."""

from pathlib import Path

import pytest

from cluster import cgroups


@pytest.fixture
def unified(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids")
    return tmp_path


def test_with_v2_there_is_one_hierarchy_and_its_groups_hand_their_controllers_on(unified: Path) -> None:
    assert cgroups.hierarchies(unified) == [unified]
    group = unified / "mine"
    group.mkdir()
    (group / "cgroup.controllers").write_text("cpu memory")
    cgroups.make("mine", unified)
    assert (unified / "cgroup.subtree_control").read_text() == "+cpuset +cpu +io +memory +pids"
    assert (group / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_with_v1_only_mounted_folders_count(tmp_path: Path) -> None:
    (tmp_path / "cpu,cpuacct").mkdir()
    (tmp_path / "cpu").symlink_to(tmp_path / "cpu,cpuacct")
    assert cgroups.hierarchies(tmp_path) == []  # nothing is mounted there


def test_groups_go_from_the_innermost_on_and_others_stay(unified: Path) -> None:
    for folder in "mine/pods/one", "mine/pods/two", "other":
        (unified / folder).mkdir(parents=True)
    cgroups.remove("mine", unified)
    assert sorted(path.name for path in unified.iterdir() if path.is_dir()) == ["other"]
    cgroups.remove("mine", unified)  # there is nothing left to do
