"""Keep a new secret at the place that the settings read it from.

The place is the file that `<NAME>_FILE` names, the first folder of `COUNTERSIGN_SECRETS_DIR`, or `.env` in
development. The environment and secret managers are not written: that is an error before the provider makes
the secret, because the provider shows it only once.
"""

import errno
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from countersign.secrets.local import ENV_FILE, local_origins

_OWNER_ONLY: Final = 0o600
_PLACES: Final = ("COUNTERSIGN_ENVIRONMENT", "COUNTERSIGN_SECRETS", "COUNTERSIGN_SECRETS_DIR")


class NowhereToKeepError(Exception):
    """No place for the secret exists that this program may write; the message names a remedy."""


def rescue(variable: str, value: str) -> Path:
    """Write a value that could not be kept to a new file that only its owner can read.

    Args:
        variable: The value's name, part of the file's.
        value: What to write.

    Returns:
        The file.
    """
    descriptor, path = tempfile.mkstemp(prefix=f"{variable}-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
    return Path(path)


@dataclass(frozen=True, slots=True)
class Place:
    """A place for variables.

    Args:
        label: Its name in sentences.
        folder: The folder of its files.
        files: The files that are written, if known.
        keep: Writes variables; every file whole or not at all.
    """

    label: str
    folder: Path
    files: tuple[Path, ...]
    keep: Callable[[Mapping[str, str]], None]

    def check(self) -> None:
        """Check that it can be written.

        Raises:
            NowhereToKeepError: It cannot.
        """
        try:
            with tempfile.TemporaryFile(dir=self.folder):
                pass
            for file in self.files:
                if file.exists():
                    with file.open("r+b"):
                        pass
        except OSError as error:
            raise NowhereToKeepError(f"{self.label} cannot be written: {error.strerror}") from None


def place_for(variable: str) -> Place:
    """Find the place for a variable's new value.

    Raises:
        NowhereToKeepError: There is none, or a program must not write it.
    """
    local = list(local_origins([variable, f"{variable}_FILE", *_PLACES], {}))
    found = {name: value for source in reversed(local) for name, value in source.values.items()}
    if file := found.get(f"{variable}_FILE"):
        return _file(Path(file).expanduser(), variable)
    if os.environ.get(variable):
        raise NowhereToKeepError(
            f"{variable} is set in the environment, which this program cannot change: "
            f"unset it, or set {variable}_FILE to a file for it"
        )
    if folders := found.get("COUNTERSIGN_SECRETS_DIR"):
        return folder_place(Path(folders.split(os.pathsep)[0]).expanduser(), variable)
    if found.get("COUNTERSIGN_SECRETS") or found.get("COUNTERSIGN_ENVIRONMENT") == "production":
        raise NowhereToKeepError(
            f"{variable} comes from a place that is not written: set {variable}_FILE to a file, "
            "run this again, and move the file's content to your secrets"
        )
    return env_file_place()


def env_file_place(file: Path = ENV_FILE) -> Place:
    """Return a file of `NAME=value` lines, which keeps its other lines: `.env`, or another one."""
    return Place(str(file), file.resolve().parent, (file,), lambda values: _keep_in_env_file(file, values))


def _file(path: Path, variable: str) -> Place:
    return Place(str(path), path.resolve().parent, (path,), lambda values: _write(path, values[variable]))


def folder_place(folder: Path, *variables: str) -> Place:
    """Return a folder with one file for each variable."""

    def keep(values: Mapping[str, str]) -> None:
        for name, value in values.items():
            _write(folder / name, value)

    return Place(str(folder), folder, tuple(folder / variable for variable in variables), keep)


def _keep_in_env_file(file: Path, values: Mapping[str, str]) -> None:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    kept = [line for line in lines if line.partition("=")[0].strip() not in values]
    _write(file, "\n".join([*kept, *(f"{name}={_quoted(value)}" for name, value in values.items()), ""]))


def _quoted(value: str) -> str:
    """Quote what a shell would split, so that shells, systemd and this program read the same.

    In double quotes, a `$` or a backtick is still the shell's: a value that holds one beside an apostrophe is
    read alike by systemd and this program only.
    """
    if re.fullmatch(r"[\w@%+=:,./-]*", value):
        return value
    if "'" not in value:
        return f"'{value}'"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write(path: Path, content: str) -> None:
    """Write a file that only its owner can read: whole, or not at all.

    A symbolic link is followed. A bind-mounted file cannot be replaced: it is written in place.
    """
    path = path.resolve()
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(draft).chmod(_OWNER_ONLY)
        try:
            Path(draft).replace(path)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            _write_in_place(path, content)
    finally:
        Path(draft).unlink(missing_ok=True)


def _write_in_place(path: Path, content: str) -> None:
    with path.open("r+", encoding="utf-8") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
