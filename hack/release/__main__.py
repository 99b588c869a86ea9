"""`python -m release`: the steps of a release that `make` calls; a failure is one sentence."""

import argparse
import contextlib
import hashlib
import subprocess
import sys
from pathlib import Path

from scriv.scriv import Scriv

from cluster.errors import ClusterError
from release import changelog
from release.versions import ROOT, Version

DIST = ROOT / "dist"
PLATFORMS = "linux/amd64,linux/arm64"
PROJECTS = (ROOT, ROOT / "packages" / "taskaction-client")
SHIPPED = ("*.whl", "*.tar.gz", "*.tgz")


def main(arguments: list[str] | None = None) -> int:
    """Run one step."""
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("check", help="the fragments are well-formed, and the changelog contains the version of the tag")
    steps.add_parser("version", help="print the version, as charts and images bear it")
    steps.add_parser("notes", help="print what the changelog says about this version, or will say about the next one")
    collect = steps.add_parser("collect", help="move the fragments of changelog.d into the changelog")
    collect.add_argument("version", help="such as 1.2.3")
    steps.add_parser("wheel", help="build wheels and source archives of operator and client into dist/")
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
    """Run the step; scriv finds its files from the root of the checkout."""
    with contextlib.chdir(ROOT):
        match said.step:
            case "check":
                check(Scriv(), Version.of_checkout())
            case "version":
                print(Version.of_checkout().semantic)
            case "notes":
                print(notes(Scriv(), Version.of_checkout()))
            case "collect":
                check_fragments(Scriv())
                called([sys.executable, "-m", "scriv", "collect", "--version", said.version])
            case "wheel":
                for project in PROJECTS:
                    called([sys.executable, "-m", "hatchling", "build", "--directory", str(DIST)], project)
            case "sums":
                (DIST / "SHA256SUMS").write_text(sums(DIST), encoding="utf-8")
            case "push-image":
                called(push_command(said.repository, Version.of_checkout()))


def check_fragments(scriv: Scriv) -> None:
    """Refuse fragments that scriv would move to a wrong place."""
    if found := changelog.problems(scriv):
        raise ClusterError("; ".join(found))


def check(scriv: Scriv, version: Version) -> None:
    """Refuse malformed fragments, and a release that the changelog does not contain."""
    check_fragments(scriv)
    if not version.is_released:
        return
    if changelog.release_notes(scriv, version.semantic) is None:
        raise ClusterError(
            f"CHANGELOG.md: version {version.semantic} is missing; run make changelog VERSION={version.semantic}, "
            "commit, and tag that commit"
        )
    if left := changelog.fragments(scriv):
        raise ClusterError(
            f"changelog.d: {', '.join(path.name for path in left)} not collected; collect them into version "
            f"{version.semantic}, commit, and tag that commit"
        )


def notes(scriv: Scriv, version: Version) -> str:
    """Return the notes of the release that is checked out, or those that the next release will have."""
    check(scriv, version)
    if version.is_released:
        return changelog.release_notes(scriv, version.semantic) or ""
    return changelog.unreleased_notes(scriv)


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


def called(command: list[str], folder: Path = ROOT) -> None:
    """Run a command whose output is for people."""
    DIST.mkdir(exist_ok=True)
    if code := subprocess.run(command, cwd=folder, check=False).returncode:
        raise ClusterError(f"{' '.join(command[:4])} ended with {code}.")


if __name__ == "__main__":
    sys.exit(main())
