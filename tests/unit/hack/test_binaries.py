"""The cache of built programs, with a stand-in for the compiler."""

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from cluster import binaries
from cluster.binaries import Cache, GoRecipe
from cluster.cache import cache_root

PACKAGES = (("etcd", "example/etcd"), ("kubectl", "example/kubectl"))


class Compiler:
    """Writes the package's name, and remembers what it was asked for."""

    def __init__(self, fail_on: str | None = None) -> None:
        self.built: list[str] = []
        self.fail_on = fail_on

    def __call__(self, package: str, out: Path) -> None:
        out.write_text("half")
        if package == self.fail_on:
            raise KeyboardInterrupt
        out.write_text(package)
        self.built.append(package)


def cache_in(folder: Path, go_mod: str = "k8s.io/kubernetes v1.36.3\n") -> Cache:
    module = folder / "controlplane"
    module.mkdir(parents=True, exist_ok=True)
    (module / "go.mod").write_text(f"module m\nrequire (\n\t{go_mod})\n")
    (module / "go.sum").touch()
    return Cache(folder / "cache", GoRecipe(module, PACKAGES))


def silent(_: str) -> None:
    pass


def test_a_build_fills_the_cache_once(tmp_path: Path) -> None:
    cache, compiler = cache_in(tmp_path), Compiler()
    assert not cache.is_complete()
    folder = cache.build(say=silent, compile_package=compiler)
    assert cache.is_complete()
    assert (folder / "etcd").read_text() == "example/etcd"
    cache.build(say=silent, compile_package=compiler)
    assert compiler.built == ["example/etcd", "example/kubectl"]


def test_the_progress_names_every_program(tmp_path: Path) -> None:
    said: list[str] = []
    cache_in(tmp_path).build(say=said.append, compile_package=Compiler())
    assert said[0] == "[1/2] etcd: building"
    assert said[-1].startswith("[2/2] kubectl: done")


def test_an_interrupted_build_is_not_taken_for_a_whole_one_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        cache.build(say=silent, compile_package=Compiler(fail_on="example/kubectl"))
    assert not cache.is_complete()
    assert not cache.folder.exists()
    second = Compiler()
    folder = cache.build(say=silent, compile_package=second)
    assert second.built == ["example/kubectl"]
    assert {path.name: path.read_text() for path in folder.iterdir() if path.suffix != ".part"} == {
        "etcd": "example/etcd",
        "kubectl": "example/kubectl",
    }


def test_a_program_taken_out_of_the_cache_is_built_again(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.build(say=silent, compile_package=Compiler())
    (cache.folder / "kubectl").unlink()
    cache.build(say=silent, compile_package=Compiler())
    assert cache.is_complete()


def test_of_two_checkouts_at_once_only_one_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "HEARTBEAT_SECONDS", 0)
    first_builds, second_waits = Event(), Event()

    class Slow(Compiler):
        def __call__(self, package: str, out: Path) -> None:
            first_builds.set()
            assert second_waits.wait(10)
            super().__call__(package, out)

    slow, other = Slow(), Compiler()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(cache_in(tmp_path).build, say=silent, compile_package=slow)
        assert first_builds.wait(10)
        second = threads.submit(
            cache_in(tmp_path).build,
            say=lambda text: second_waits.set() if "waiting" in text else None,
            compile_package=other,
        )
        assert first.result(10) == second.result(10)
    assert len(slow.built) == len(PACKAGES)
    assert other.built == []


def test_a_killed_builder_leaves_no_lock_behind(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    script = """
        import sys, time
        from pathlib import Path
        from cluster.binaries import Cache, GoRecipe
        def compile_package(package, out):
            print("building", flush=True)
            time.sleep(60)
        recipe = GoRecipe(Path(sys.argv[1]), (("etcd", "e"), ("kubectl", "k")))
        Cache(Path(sys.argv[2]), recipe).build(say=lambda text: None, compile_package=compile_package)
    """
    hack = Path(binaries.__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path / "controlplane", cache.root],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(hack)},
    ) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == b"building\n"
        builder.send_signal(signal.SIGKILL)
    cache_in(tmp_path).build(say=silent, compile_package=Compiler())
    assert cache_in(tmp_path).is_complete()


@pytest.mark.parametrize("change", ["k8s.io/kubernetes v1.36.4\n", "k8s.io/kubernetes v1.36.3\n\texample v1.0.0\n"])
def test_another_recipe_has_another_folder(tmp_path: Path, change: str) -> None:
    before = cache_in(tmp_path).folder
    assert cache_in(tmp_path, change).folder != before


def test_the_version_is_stamped_into_the_programs() -> None:
    flags = " ".join(GoRecipe().flags)
    assert f"version.gitVersion={GoRecipe().version}" in flags
    assert "version.gitMajor=1 " in flags


def test_the_cache_follows_xdg() -> None:
    assert cache_root({"XDG_CACHE_HOME": "/caches"}) == Path("/caches/taskaction-operator")
    assert cache_root({}) == Path.home() / ".cache/taskaction-operator"
