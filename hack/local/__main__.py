"""`python -m local up | down | demo`: what the Makefile calls; holds no logic of its own."""

import argparse
import signal
import sys
from functools import partial

from cluster.errors import ClusterError
from local import demo
from local.environment import Environment

say = partial(print, flush=True)
INTERRUPTED = 130


def main() -> int:
    """Run one command; a failure is one sentence, not a traceback."""
    parser = argparse.ArgumentParser(prog="local", description="A cluster and an operator on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring up the cluster and the operator")
    commands.add_parser("down", help="end both").add_argument("--keep", action="store_true", help="keep the state")
    commands.add_parser("demo", help="run every example")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything is ended in order
    try:
        return run(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command can be run again", file=sys.stderr)
        return INTERRUPTED


def run(arguments: argparse.Namespace) -> int:
    """Run the command that was asked for."""
    environment = Environment()
    match arguments.command:
        case "up":
            cluster = environment.up(say)
            say("\n" + "\n".join(environment.exports(cluster)))
        case "down":
            environment.down(say, keep_state=arguments.keep)
        case "demo":
            return 0 if demo.run(say) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
