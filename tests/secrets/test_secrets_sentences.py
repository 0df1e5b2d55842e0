"""The sentences about settings that cannot work, in one snapshot.

`pytest tests/secrets/test_secrets_sentences.py --snapshot-update` takes improved sentences over.
"""

from typing import Final

import pytest
from syrupy.assertion import SnapshotAssertion

from countersign.configuration import Settings, SettingsError, load
from countersign.providers.registry import account, accounts, plugins
from countersign.settings import GROUPS, webhook_settings

WRONG: Final = {
    "COUNTERSIGN_ACCOUNTS": "Turbo Docx",
    "COUNTERSIGN_CHECK_INTERVAL_HOURS": "1000",
    "COUNTERSIGN_ENVIRONMENT": "Prod!",
    "COUNTERSIGN_GRACEFUL_STOP_SECONDS": "0",
    "COUNTERSIGN_LOG_LEVEL": "LOUD",
    "COUNTERSIGN_PACE": "0",
    "COUNTERSIGN_PROVIDER_CALLS_PER_SECOND": "-1",
    "COUNTERSIGN_PROVIDER_CIRCUIT_FAILURES": "many",
    "COUNTERSIGN_PROVIDER_DOWNLOAD_HOSTS": "https://x",
    "COUNTERSIGN_PROVIDER_SLOTS": "0",
    "COUNTERSIGN_TEMPORAL_UI": "localhost",
    "COUNTERSIGN_WEBHOOKS_ALLOWED_CALLERS": "everyone",
    "COUNTERSIGN_WEBHOOKS_TLS_KEY": "key.pem",
    "DOCUMENSO_API_KEY": '"api_quoted"',
    "DOCUMENSO_BASE_URL": "http://documenso.example.com",
    "TURBODOCX_API_KEY": "TDX-live-canary",
    "TURBODOCX_BASE_URL": "https://user:pw@host",
    "TURBODOCX_ORG_ID": "42",
    "TURBODOCX_SENDER_EMAIL": "Ada",
    "TURBODOCX_SENDER_NAME": "changeme",
    "TURBODOCX_WEBHOOK_SECRET": "two words",
}


def kinds() -> list[type[Settings]]:
    found: list[type[Settings]] = list(GROUPS)
    for kind in sorted(plugins()):
        found += [account(kind, kind).settings, webhook_settings(kind)]
    return found


@pytest.mark.parametrize("variable", WRONG)
def test_a_setting_that_cannot_work(
    monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion, variable: str
) -> None:
    monkeypatch.setenv(variable, WRONG[variable])
    owners = [kind for kind in kinds() if variable in {kind.variable(name) for name in kind.model_fields}]
    with pytest.raises(SettingsError) as caught:
        load(*owners[:1])
    message = str(caught.value)
    assert WRONG[variable] not in message or not WRONG[variable].startswith("TDX")
    assert [line.strip() for line in message.splitlines() if variable in line] == snapshot


def test_accounts_of_providers_that_are_not_installed(
    monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion
) -> None:
    monkeypatch.setenv("COUNTERSIGN_ACCOUNTS", "docusign")
    with pytest.raises(SettingsError) as caught:
        accounts()
    assert str(caught.value) == snapshot
