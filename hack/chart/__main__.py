"""`python -m chart`: what `make chart` calls; checks the chart, packs it, and pushes it where it is told to."""

import sys
from functools import partial
from pathlib import Path

from chart.helm import CHART, Helm
from cluster.binaries import HACK, Say
from cluster.errors import ClusterError
from release.versions import Version

DIST = HACK.parent / "dist"


def main(repository: str | None = None) -> int:
    """Lint and package; a failure is one sentence."""
    say = partial(print, flush=True)
    try:
        helm = Helm.built(say=say)
        say(helm("lint", "--strict", "--quiet", str(CHART)).strip() or "chart: nothing to complain about")
        packed = package(helm, Version.of_checkout(), say=say)
        if repository:
            say(helm("push", str(packed), repository).strip())
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def package(helm: Helm, version: Version, *, folder: Path = DIST, say: Say = print) -> Path:
    """Pack the chart in the version of the checkout, so that chart, image and wheel of a release go together."""
    stamp = [f"--version={version.semantic}", f"--app-version={version.semantic}"]
    say(helm("package", str(CHART), *stamp, f"--destination={folder}").strip())
    return folder / f"{CHART.name}-{version.semantic}.tgz"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
