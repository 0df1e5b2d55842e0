"""A clean environment for each test of settings: nothing of the machine's own."""

import os
from pathlib import Path

import pytest

PREFIXES = ("TURBODOCX_", "COUNTERSIGN_", "AWS_", "AZURE_", "GOOGLE_", "VAULT_", "IDENTITY_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [variable for variable in os.environ if variable.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def provider_environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set everything that the provider's settings need; return it."""
    values = {
        "TURBODOCX_API_KEY": "TDX-test-0123456789abcdef",
        "TURBODOCX_ORG_ID": "7f9c24e8-3b1a-4a5e-9d2f-0c1b2a3d4e5f",
        "TURBODOCX_BASE_URL": "http://127.0.0.1:8420",
        "TURBODOCX_SENDER_EMAIL": "sales@example.com",
        "TURBODOCX_SENDER_NAME": "Sales",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values
