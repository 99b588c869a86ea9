"""What a control plane needs beside it so that pods run, really or by simulation: built once, runs nothing."""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cluster.binaries import HACK, KUBERNETES, Cache, GoRecipe, Recipe, Say
from cluster.cache import cache_root
from cluster.debian import TOOLS, DebianRecipe

CONTAINERD = "github.com/containerd/containerd/v2"
PLUGINS = "github.com/containernetworking/plugins"
KWOK = "sigs.k8s.io/kwok"


@dataclass(frozen=True)
class Equipment:
    """What is built, and the tools that this needs beside Go."""

    recipes: tuple[Recipe, ...]
    tools: tuple[str, ...] = ()


SCHEDULER_RECIPE = GoRecipe(title="kube-scheduler", packages=(("kube-scheduler", f"{KUBERNETES}/cmd/kube-scheduler"),))
REAL = Equipment(
    recipes=(
        DebianRecipe(),  # first: it takes seconds, and is the likeliest to fail
        SCHEDULER_RECIPE,
        GoRecipe(title="kubelet", packages=(("kubelet", f"{KUBERNETES}/cmd/kubelet"),)),
        GoRecipe(
            title="containerd",
            module=HACK / "containerd",
            pin=CONTAINERD,
            tags=("urfave_cli_no_docs", "no_btrfs", "no_devmapper", "no_zfs"),
            packages=(
                ("containerd", f"{CONTAINERD}/cmd/containerd"),
                ("containerd-shim-runc-v2", f"{CONTAINERD}/cmd/containerd-shim-runc-v2"),
                ("ctr", f"{CONTAINERD}/cmd/ctr"),
                ("bridge", f"{PLUGINS}/plugins/main/bridge"),
                ("loopback", f"{PLUGINS}/plugins/main/loopback"),
                ("host-local", f"{PLUGINS}/plugins/ipam/host-local"),
            ),
        ),
    ),
    tools=TOOLS,
)
"""A node: what schedules, what runs containers, and their network."""
SIMULATED = Equipment(
    recipes=(
        SCHEDULER_RECIPE,
        GoRecipe(title="kwok", module=HACK / "kwok", pin=KWOK, packages=(("kwok", f"{KWOK}/cmd/kwok"),)),
    )
)
"""What plays a node and its pods."""


def are_built(equipment: Equipment, root: Path | None = None) -> bool:
    """Whether all of it is there."""
    return all(Cache(root, recipe).is_complete() for recipe in equipment.recipes)


def build(control_plane: Path, equipment: Equipment, *, root: Path | None = None, say: Say = print) -> Path:
    """Build what is missing, and give a folder that leads to these programs and to a control plane's."""
    folders = [control_plane, *(Cache(root, recipe).build(say=say) for recipe in equipment.recipes)]
    digest = hashlib.sha256(" ".join(map(str, folders)).encode()).hexdigest()
    place = (root or cache_root()) / f"together-{digest[:12]}"
    if not place.exists():
        gather(folders, place)
    return place


def gather(folders: list[Path], place: Path) -> None:
    """Make a folder of links in one step, so that it is whole whenever it is there."""
    part = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    try:
        for program in (program for folder in folders for program in folder.iterdir()):
            (part / program.name).symlink_to(program)
        part.chmod(0o755)
        part.rename(place)
    except OSError:
        if not place.exists():  # else another builder was quicker
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
