"""A local stack's folder, addresses and settings.

The stack ignores the settings of its environment (`TEMPORAL_...`, `TURBODOCX_...`,
`COUNTERSIGN_...`, `.env`), so that a test never uses the keys of production.
"""

import fcntl
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Final, Self

import countersign
from countersign.loopback import LOOPBACK
from devstack.ports import Ports
from devstack.processes import open_private, write_private
from devstack.sandbox import DOCUMENSO_KEY, Sandbox

ACCOUNTS: Final = ("turbodocx", "documenso")
"""The accounts that a stack can serve, the usual one first; they are named like their providers."""

ENVIRONMENT: Final = "local"
"""The value of `COUNTERSIGN_ENVIRONMENT`."""
CALLBACK_SECRET: Final = "whsec_Y291bnRlcnNpZ24tbG9jYWwtY2FsbGJhY2stc2VjcmV0"  # noqa: S105  # none
"""What signs the callbacks of a local stack. It is no secret: it is the same everywhere."""

_OURS: Final = ("TEMPORAL_", "TURBODOCX_", "DOCUMENSO_", "COUNTERSIGN_", "SANDBOX_")
_PORTS: Final = "ports.json"
_ACCOUNTS: Final = "accounts.json"
_HEAD: Final = """\
# The local stack writes this file at its start. `. <this file>` points the commands of a shell at the stack;
# a new shell is free of it. Nothing here is secret.
"""


class InUseError(Exception):
    """Another stack runs in this folder."""


class Site:
    """Addresses and settings of a stack.

    Args:
        folder: The folder of its state.
        ports: The ports of its parts.
        accounts: The accounts that it serves, by the names of their providers.
    """

    def __init__(self, folder: Path, ports: Ports, accounts: Sequence[str] = ACCOUNTS[:1]) -> None:
        self.folder = folder.absolute()
        self.ports = ports
        self.accounts = tuple(accounts)
        turbodocx = Sandbox(f"http://{LOOPBACK}:{ports.sandbox}")
        documenso = Sandbox(f"http://{LOOPBACK}:{ports.documenso}", DOCUMENSO_KEY, kind="documenso")
        self.sandboxes = {
            sandbox.kind: sandbox for sandbox in (turbodocx, documenso) if sandbox.kind in accounts
        }
        self.sandbox = self.sandboxes[self.accounts[0]]
        self.temporal_address = f"{LOOPBACK}:{ports.temporal}"
        self.ui_url = f"http://{LOOPBACK}:{ports.ui}"
        self.receiver_url = f"http://{LOOPBACK}:{ports.receiver}"
        self.api_url = f"http://{LOOPBACK}:{ports.api}"
        self.api_token = self.folder / "api-token"
        """The file of a token that may do everything, for the owner's eyes only."""
        self.store = self.folder / "store"

    @classmethod
    def of_running(cls, folder: Path) -> Self:
        """Return the stack that runs in a folder."""
        return cls(folder, Ports(**last_ports(folder)), _last_accounts(folder))

    def write_settings(self) -> None:
        """Write the ports for `of_running`, and the settings for shells: `. <folder>/env`."""
        write_private(self.folder / _PORTS, json.dumps(asdict(self.ports)))
        write_private(self.folder / _ACCOUNTS, json.dumps(self.accounts))
        settings = {name: value for name, value in self.settings().items() if name != "PYTHONPATH"}
        exports = [f"export {name}={quote(value)}\n" for name, value in settings.items()]
        programs = quote(str(Path(sys.executable).parent))  # for `temporal` and `python`, as in the docs
        exports.append(f"export RECEIVER_URL={self.receiver_url}\n")  # for `make example`
        lines = [_HEAD, *exports, f'export PATH={programs}:"$PATH"\n']
        write_private(self.folder / "env", "".join(lines))

    def settings(self) -> dict[str, str]:
        """Return the environment of the stack's processes and clients."""
        return {
            "PYTHONPATH": str(Path(countersign.__file__).parents[1]),
            "PYTHONUNBUFFERED": "1",
            "TEMPORAL_ADDRESS": self.temporal_address,
            "TEMPORAL_NAMESPACE": "default",
            "TEMPORAL_TLS": "false",
            "TEMPORAL_CONFIG_FILE": str(self.folder / "no-profile.toml"),
            **self._account_settings(),
            "COUNTERSIGN_ENVIRONMENT": ENVIRONMENT,
            "COUNTERSIGN_TASK_QUEUE": "countersign",
            "COUNTERSIGN_TEMPORAL_UI": self.ui_url,
            "COUNTERSIGN_STORE": str(self.store),
            "COUNTERSIGN_CALLBACKS_ALLOW_LOOPBACK": "true",
            "COUNTERSIGN_CALLBACKS_SECRET": CALLBACK_SECRET,
            "COUNTERSIGN_CALLBACKS_API_URL": self.api_url,
        }

    def _account_settings(self) -> dict[str, str]:
        found = {"COUNTERSIGN_ACCOUNTS": ",".join(self.accounts)}
        for kind, sandbox in self.sandboxes.items():
            found[f"{kind.upper()}_API_KEY"] = sandbox.api_key
            found[f"{kind.upper()}_BASE_URL"] = sandbox.url
        if "turbodocx" in self.sandboxes:
            found["TURBODOCX_ORG_ID"] = self.sandboxes["turbodocx"].org_id
            found["TURBODOCX_SENDER_EMAIL"] = "contracts@example.com"
            found["TURBODOCX_SENDER_NAME"] = "Example Contracts"
        return found


class Lock:
    """A lock on the folder of a running stack; the system releases it when its process ends.

    Args:
        folder: The folder; created if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def is_held(cls, folder: Path) -> bool:
        """Return whether a stack runs in a folder."""
        try:
            with cls(folder):
                return False
        except InUseError:
            return True

    def is_in_place(self) -> bool:
        """Return False if the folder was deleted while the lock was held."""
        try:
            there = (self._folder / "lock").stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._file.fileno()))

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._file = open(self._folder / "lock", "w", opener=open_private)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise InUseError(f"another local stack runs in {self._folder}: stop it first") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def last_ports(folder: Path) -> dict[str, int]:
    """Return the ports of the last stack in a folder, by part; empty if there was none."""
    try:
        return dict(json.loads((folder / _PORTS).read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _last_accounts(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(json.loads((folder / _ACCOUNTS).read_text()))
    except (FileNotFoundError, ValueError):
        return ACCOUNTS[:1]


def clean_environment() -> dict[str, str]:
    """Return the environment without the settings of Countersign and Temporal."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
