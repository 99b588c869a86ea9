"""`python -m release`: the steps of a release that `make` calls; a failure is one sentence."""

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

from cluster.errors import ClusterError
from release import changelog
from release.versions import MEND, ROOT, Version

DIST = ROOT / "dist"
CHANGELOG = ROOT / "CHANGELOG.md"
PLATFORMS = "linux/amd64,linux/arm64"
SHIPPED = ("*.whl", "*.tar.gz", "*.tgz")


def main(arguments: list[str] | None = None) -> int:
    """Run one step."""
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("check", help="the changelog is well-formed, and tells of the version that a tag names")
    steps.add_parser("version", help="print the version, as charts and images bear it")
    steps.add_parser("notes", help="print what the changelog says of the version")
    steps.add_parser("wheel", help="build wheel and source archive into dist/")
    steps.add_parser("sums", help="write dist/SHA256SUMS")
    push = steps.add_parser("push-image", help="build for every platform and push, with SBOM and provenance")
    push.add_argument("repository", help="such as ghcr.io/OWNER/taskaction-operator")
    said = parser.parse_args(arguments)
    try:
        run(said)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(said: argparse.Namespace) -> None:
    """Do what the step says."""
    match said.step:
        case "check":
            check(CHANGELOG.read_text(encoding="utf-8"), Version.of_checkout())
        case "version":
            print(Version.of_checkout().semantic)
        case "notes":
            print(notes(CHANGELOG.read_text(encoding="utf-8"), Version.of_checkout()))
        case "wheel":
            called([sys.executable, "-m", "hatchling", "build", "--directory", str(DIST)])
        case "sums":
            (DIST / "SHA256SUMS").write_text(sums(DIST), encoding="utf-8")
        case "push-image":
            called(push_command(said.repository, Version.of_checkout()))


def check(text: str, version: Version) -> None:
    """Complain about the changelog."""
    found = changelog.problems(text)
    if version.is_released and changelog.notes(text, version.semantic) is None:
        found.append(f"a tag names version {version.semantic}, of which nothing is told")
    if found:
        raise ClusterError("CHANGELOG.md: " + "; ".join(found))


def notes(text: str, version: Version) -> str:
    """Return the notes of the version that is released."""
    if not version.is_released:
        raise ClusterError(f"This commit is no release ({version.python}): {MEND}.")
    check(text, version)
    return changelog.notes(text, version.semantic) or ""


def sums(folder: Path) -> str:
    """Return the sums of what is shipped, as `sha256sum --check` reads them."""
    files = sorted(path for pattern in SHIPPED for path in folder.glob(pattern))
    if not files:
        raise ClusterError(f"There is nothing to ship in {folder}: run make wheel chart first.")
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def push_command(repository: str, version: Version) -> list[str]:
    """Return the command; the builder makes bill of materials and provenance, and pushes them beside the image."""
    return [
        "docker", "buildx", "build", f"--platform={PLATFORMS}", "--sbom=true", "--provenance=mode=max", "--push",
        f"--build-arg=VERSION={version.python}", f"--tag={repository}:{version.semantic}",
        "--metadata-file=dist/image.json", ".",
    ]  # fmt: skip


def called(command: list[str]) -> None:
    """Run a command whose output is for people."""
    DIST.mkdir(exist_ok=True)
    if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise ClusterError(f"{' '.join(command[:4])} ended with {code}.")


if __name__ == "__main__":
    sys.exit(main())
