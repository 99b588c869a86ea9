"""`python -m cluster`: say which cluster would be used, and build its programs and a node's where needed."""

import sys
from functools import partial
from pathlib import Path

from cluster.clusters import prepare_pods, programs_folder
from cluster.errors import ClusterError
from cluster.resolve import Build, Programs, Surroundings, choose

OWN_STATE = Path(__file__).parents[2] / ".run"


def main() -> int:
    """Do what takes long before anything depends on it."""
    say = partial(print, flush=True)
    try:
        choice = choose(Surroundings.here(OWN_STATE))
        if isinstance(choice, Programs | Build):
            folder = programs_folder(choice, say=say)
            say(f"cluster: etcd, kube-apiserver and kube-controller-manager from {folder}")
            say(f"cluster: {prepare_pods(folder, say=say)}")
        else:
            say(f"cluster: {choice}")
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command can be run again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
