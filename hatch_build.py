"""The package's links: to the repository that it is built from, so a fork's package leads to the fork."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

_HOST_AND_PATH: Final = re.compile(
    r"(?:https?://(?:[^@/]+@)?|ssh://(?:[^@/]+@)?|[^@/]+@)([\w.-]+)(?::\d+)?[:/](.+)"
)
"""Of an address as `git clone` takes it, by https or ssh; never a name or a token that it may hold."""


class ProjectUrls(MetadataHookInterface):
    """Fill `project.urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the links; none if the checkout has no remote repository, as an image's does not."""
        metadata["urls"] = urls(_origin(self.root))


def urls(origin: str) -> dict[str, str]:
    """Return the links to a repository, by name; none if its address is no host's."""
    if (found := _HOST_AND_PATH.fullmatch(origin)) is None:
        return {}
    repository = f"https://{found[1]}/{found[2].removesuffix('/').removesuffix('.git')}"
    return {
        "Repository": repository,
        "Documentation": f"{repository}/blob/main/docs/index.md",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def _origin(root: str) -> str:
    if not (Path(root) / ".git").exists():  # git would find the repository of a folder above
        return ""
    command = ["git", "-C", root, "remote", "get-url", "origin"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # nothing of it is input
    except FileNotFoundError:  # no git, as where an image is built
        return ""
    return asked.stdout.strip()
