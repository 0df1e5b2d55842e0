"""Microsoft's own stand-in for Azure Blob Storage, Azurite, fetched with npm and run on a free port."""

import base64
import hashlib
import hmac
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Final

import httpx

from countersign.free_ports import free_port
from tests.conftest import tool

ACCOUNT: Final = "devstoreaccount1"
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's documented account, the same everywhere."""

CONTAINER: Final = "archive"
_AZURITE: Final = "azurite@3.35.0"


@contextmanager
def azure_storage(folder: Path) -> Iterator[str]:
    """Run it with one container; gives its address."""
    npm = [tool("npm"), "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    subprocess.run([*npm, _AZURITE], cwd=folder, check=True, capture_output=True, timeout=240)
    port = str(free_port())
    with subprocess.Popen(
        [
            *(str(folder / "node_modules/.bin/azurite-blob"), "--blobHost", "127.0.0.1", "--blobPort", port),
            *("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"),
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as azurite:
        try:
            assert azurite.stdout is not None
            for line in azurite.stdout:
                if "successfully listens" in line:
                    break
            _make_container(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            azurite.terminate()


def _make_container(url: str) -> None:
    """Make the container with a request signed by the account's key: the store itself never makes one."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    signed = [
        *("PUT", *[""] * 11),
        *(f"{name}:{value}" for name, value in headers.items()),
        f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container",
    ]
    digest = hmac.digest(base64.b64decode(KEY), "\n".join(signed).encode(), hashlib.sha256)
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    made = httpx.put(f"{url}/{ACCOUNT}/{CONTAINER}?restype=container", headers=headers)
    made.raise_for_status()
