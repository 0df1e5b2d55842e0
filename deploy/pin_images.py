# ruff: noqa: INP001  # a script, not a package
"""Write the current digest behind every image tag in the Dockerfile and the Compose files.

    make pin-images

Run it monthly, and after you change a tag; then run `make test` and commit the files. It needs Docker with
buildx and access to the registry. A variable such as `TEMPORAL_VERSION` replaces tag and digest together.
"""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FILES: Final = ("Dockerfile", "docker-compose.yml", "deploy/production/docker-compose.yml")
IMAGE: Final = re.compile(
    r"^(?P<head>FROM |\s*image: )(?P<name>[a-z][a-z/-]*):(?P<variable>\$\{[A-Z_]+:-)?(?P<tag>[\w.-]+)"
    r"(?P<digest>@sha256:[0-9a-f]{64})?",
    re.MULTILINE,
)
OWN: Final = "countersign"
"""The image that the Compose files build."""


@cache
def digest(image: str) -> str:
    """Ask the registry for an image's digest, `sha256:...`.

    Raises:
        SystemExit: The registry did not return one.
    """
    command = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    found = done.stdout.strip()
    if done.returncode or not re.fullmatch(r"sha256:[0-9a-f]{64}", found):
        sys.exit(f"{image}: no digest: {done.stderr.strip() or found}")
    return found


def pinned(text: str) -> str:
    """Return a file's text with the current digest of every image."""

    def pin(found: re.Match[str]) -> str:
        if found["name"] == OWN:
            return found[0]
        tagged = f"{found['name']}:{found['tag']}"
        return f"{found['head']}{found['name']}:{found['variable'] or ''}{found['tag']}@{digest(tagged)}"

    return IMAGE.sub(pin, text)


def main() -> None:
    """Pin all files, or none if a digest is missing."""
    texts = {ROOT / name: pinned((ROOT / name).read_text()) for name in FILES}
    for path, text in texts.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
