"""`python -m image`: what `make image` calls; builds, and says what came of it."""

import sys
from functools import partial

from cluster.errors import ClusterError
from image.build import build


def main() -> int:
    """Build the image; a failure is one sentence."""
    say = partial(print, flush=True)
    try:
        image = build(say=say)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command can be run again", file=sys.stderr)
        return 130
    say(f"image: {image.name}, {image.megabytes:.1f} MB, in {image.archive}; what is in it: {image.sbom.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
