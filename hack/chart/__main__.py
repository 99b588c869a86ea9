"""`python -m chart`: what `make chart` calls; checks the chart and packs it."""

import sys
from functools import partial

from chart.helm import CHART, Helm
from cluster.binaries import HACK
from cluster.errors import ClusterError

DIST = HACK.parent / "dist"


def main() -> int:
    """Lint and package; a failure is one sentence."""
    say = partial(print, flush=True)
    try:
        helm = Helm.built(say=say)
        say(helm("lint", "--strict", "--quiet", str(CHART)).strip() or "chart: nothing to complain about")
        say(helm("package", str(CHART), "--destination", str(DIST)).strip())
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
