"""Settings: what cannot work is refused, all at once, by name and never by value."""

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from countersign import settings_reference
from countersign.providers.turbodocx.settings import TurboDocxSettings
from countersign.settings import (
    CountersignSettings,
    ProviderSettings,
    Settings,
    SettingsError,
    WebhookSettings,
    load,
    webhook_settings,
)

SECRETS = webhook_settings("turbodocx")
ROOT = Path(__file__).parents[2]


def refusal(*kinds: type[Settings]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(*kinds)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_everything_missing_is_reported_at_once_by_name() -> None:
    message = refusal(CountersignSettings, TurboDocxSettings, SECRETS)
    for name in ("API_KEY", "ORG_ID", "SENDER_EMAIL", "SENDER_NAME", "WEBHOOK_SECRET"):
        assert f"TURBODOCX_{name} is not set" in message


def test_what_is_set_is_read(provider_environment: dict[str, str]) -> None:
    general, turbodocx = load(CountersignSettings, TurboDocxSettings)
    assert general.environment == "development"
    assert turbodocx.api_key.get_secret_value() == provider_environment["TURBODOCX_API_KEY"]
    assert turbodocx.base_url == "http://127.0.0.1:8420"


@pytest.mark.parametrize(
    "bad", ["   ", "changeme", "CHANGE_ME", "TDX-xxxx", "<your key>", "your-api-key", "...", "TDX-your-key"]
)
@pytest.mark.usefixtures("provider_environment")
def test_a_placeholder_is_no_key(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("TURBODOCX_API_KEY", bad)
    message = refusal(TurboDocxSettings)
    assert "TURBODOCX_API_KEY: is a placeholder" in message or "TURBODOCX_API_KEY: is empty" in message


@pytest.mark.parametrize("name", ["API_KEY", "ORG_ID"])
@pytest.mark.parametrize("bad", ["TDX-test-canary\n", " TDX-test-canary", "TDX-test can", "TDX-test-cänary"])
@pytest.mark.usefixtures("provider_environment")
def test_what_no_header_can_carry_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, name: str, bad: str
) -> None:
    """Later it would fail every call, and a send that fails so would count as one that may have left."""
    monkeypatch.setenv("COUNTERSIGN_ALLOW_LIVE", "true")
    monkeypatch.setenv(f"TURBODOCX_{name}", bad)
    message = refusal(TurboDocxSettings)
    assert f"TURBODOCX_{name}: holds a blank, a line end or a letter that no header carries" in message
    assert bad.strip() not in message


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_that_we_cannot_use_is_refused_at_start(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "socks5://canary:1080")
    assert not load(ProviderSettings)[0].trust_env
    monkeypatch.setenv("COUNTERSIGN_PROVIDER_TRUST_ENV", "true")
    message = refusal(ProviderSettings)
    assert "COUNTERSIGN_PROVIDER_TRUST_ENV: has HTTPS_PROXY or ALL_PROXY apply, which must be http" in message
    assert "canary" not in message
    monkeypatch.setenv(name, "canary:1080")
    assert load(ProviderSettings)[0].trust_env


@pytest.mark.parametrize("name", ["ORG_ID", "SENDER_NAME", "SENDER_EMAIL"])
@pytest.mark.usefixtures("provider_environment")
def test_a_placeholder_is_no_required_value(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"TURBODOCX_{name}", "changeme")
    assert f"TURBODOCX_{name}: is a placeholder" in refusal(TurboDocxSettings)


@pytest.mark.usefixtures("provider_environment")
def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURBODOCX_API_KEY", "")
    assert "TURBODOCX_API_KEY is not set" in refusal(TurboDocxSettings)


def test_a_refusal_never_shows_the_value(
    provider_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        *provider_environment,
        "TURBODOCX_WEBHOOK_SECRET_PREVIOUS_UNTIL",
        "COUNTERSIGN_PROVIDER_SLOTS",
    ):
        monkeypatch.setenv(name, f"canary:{name.lower()}")
    message = refusal(CountersignSettings, TurboDocxSettings, SECRETS)
    assert "TURBODOCX_API_KEY" in message
    assert "COUNTERSIGN_PROVIDER_SLOTS" in message
    assert "canary" not in message


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://api.example.com", "must be https"),
        ("https://user:hunter2@api.example.com", "must be https://host, without user or password"),
        ("https://", "must be https://host"),
        ("ftp://127.0.0.1", "must be https://host"),
        ("http://127.0.0.1.example.com", "must be https"),
        ("http://[::1", "is not an address"),
        ("https://api.example.com:port", "is not an address"),
        ("https://api.example.com?key=1", "must end after its path"),
    ],
)
@pytest.mark.usefixtures("provider_environment")
def test_an_unsafe_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str, reason: str) -> None:
    monkeypatch.setenv("TURBODOCX_BASE_URL", address)
    message = refusal(TurboDocxSettings)
    assert f"TURBODOCX_BASE_URL: {reason}" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "http://localhost:1/", "http://[::1]:1", "https://a.b/c"]
)
@pytest.mark.usefixtures("provider_environment")
def test_a_safe_address_is_taken(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("TURBODOCX_BASE_URL", address)
    assert load(TurboDocxSettings)[0].base_url == address.rstrip("/")


class TestEnvironments:
    @pytest.mark.usefixtures("provider_environment")
    def test_live_key_and_service_are_for_production(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TURBODOCX_API_KEY", "TDX-live-0123456789")
        monkeypatch.setenv("TURBODOCX_BASE_URL", "https://api.turbodocx.com")
        message = refusal(TurboDocxSettings)
        assert "TURBODOCX_API_KEY: does not start with TDX-test-, as keys outside production must" in message
        assert "TURBODOCX_BASE_URL: is the live service outside production" in message

    @pytest.mark.usefixtures("provider_environment")
    def test_unless_it_is_allowed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TURBODOCX_API_KEY", "TDX-live-0123456789")
        monkeypatch.setenv("TURBODOCX_BASE_URL", "https://API.turbodocx.com")
        monkeypatch.setenv("COUNTERSIGN_ALLOW_LIVE", "true")
        assert load(TurboDocxSettings)[0].allow_live

    @pytest.mark.usefixtures("provider_environment")
    def test_production_wants_the_live_key_and_service(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COUNTERSIGN_ENVIRONMENT", "production")
        message = refusal(TurboDocxSettings)
        assert "TURBODOCX_API_KEY: is a test key" in message
        assert "TURBODOCX_BASE_URL: is a sandbox on this machine" in message

    def test_production_is_in_no_hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COUNTERSIGN_ENVIRONMENT", "production")
        monkeypatch.setenv("COUNTERSIGN_PACE", "2")
        assert "COUNTERSIGN_PACE: must be 1 in production" in refusal(CountersignSettings)

    @pytest.mark.usefixtures("provider_environment")
    def test_production_logs_no_bodies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COUNTERSIGN_LOG_BODIES", "redacted")
        assert load(TurboDocxSettings)[0].log_bodies == "redacted"
        monkeypatch.setenv("COUNTERSIGN_ENVIRONMENT", "production")
        assert "COUNTERSIGN_LOG_BODIES: must be off in production" in refusal(TurboDocxSettings)

    @pytest.mark.usefixtures("provider_environment")
    def test_a_name_that_only_looks_like_production_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COUNTERSIGN_ENVIRONMENT", "Production")
        assert "COUNTERSIGN_ENVIRONMENT" in refusal(TurboDocxSettings)


class TestRanges:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PROVIDER_SLOTS", "0"),
            ("PROVIDER_SLOTS", "4294967296"),
            ("PROVIDER_SLOTS", "many"),
            ("GRACEFUL_STOP_SECONDS", "0"),
            ("GRACEFUL_STOP_SECONDS", "-1"),
            ("GRACEFUL_STOP_SECONDS", "inf"),
            ("GRACEFUL_STOP_SECONDS", "nan"),
            ("CHECK_INTERVAL_HOURS", "0.2"),
            ("CHECK_INTERVAL_HOURS", "721"),
            ("CHECK_INTERVAL_HOURS", "nan"),
            ("PACE", "0.5"),
            ("PACE", "nan"),
            ("LOG_LEVEL", "LOUD"),
        ],
    )
    def test_out_of_range_is_refused(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
        monkeypatch.setenv(f"COUNTERSIGN_{name}", value)
        assert f"COUNTERSIGN_{name}: " in refusal(CountersignSettings)


class TestWebhookSecrets:
    NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def test_the_previous_secret_has_an_end(self) -> None:
        settings = WebhookSettings(
            webhook_secret=SecretStr("whsec_new-0123456789"),
            webhook_secret_previous=SecretStr("whsec_old-0123456789"),
            webhook_secret_previous_until=self.NOW,
        )
        before = [secret.get_secret_value() for secret in settings.accepted(self.NOW - timedelta(seconds=1))]
        assert before == ["whsec_new-0123456789", "whsec_old-0123456789"]
        assert [secret.get_secret_value() for secret in settings.accepted(self.NOW)] == [
            "whsec_new-0123456789"
        ]

    @pytest.mark.parametrize(
        ("name", "value"), [("PREVIOUS", "whsec_old-0123456789"), ("PREVIOUS_UNTIL", "2026-01-31T12:00:00Z")]
    )
    def test_an_end_and_a_secret_belong_together(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET", "whsec_new-0123456789")
        monkeypatch.setenv(f"TURBODOCX_WEBHOOK_SECRET_{name}", value)
        assert "TURBODOCX_WEBHOOK_SECRET_PREVIOUS_UNTIL belong together" in refusal(SECRETS)

    def test_an_end_has_an_offset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET", "whsec_new-0123456789")
        monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET_PREVIOUS", "whsec_old-0123456789")
        monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET_PREVIOUS_UNTIL", "2026-01-31T12:00:00")
        assert "TURBODOCX_WEBHOOK_SECRET_PREVIOUS_UNTIL: needs an offset" in refusal(SECRETS)


def test_no_secret_and_no_person_in_repr_dump_or_pickle(provider_environment: dict[str, str]) -> None:
    (settings,) = load(TurboDocxSettings)
    for text in (
        repr(settings),
        str(settings),
        str(settings.model_dump()["api_key"]),
        settings.model_dump_json(),
    ):
        assert provider_environment["TURBODOCX_API_KEY"] not in text
    assert provider_environment["TURBODOCX_SENDER_EMAIL"] not in repr(settings)
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(settings)


def test_the_example_and_the_reference_are_those_of_the_settings() -> None:
    made_by = "python -m countersign.settings_reference"
    assert (ROOT / ".env.example").read_text() == settings_reference.env_example(), f"run: {made_by}"
    assert (ROOT / "docs/reference/settings.md").read_text() == settings_reference.docs(), f"run: {made_by}"


def test_the_example_as_it_is_asks_for_just_what_has_no_default() -> None:
    Path(".env").write_text((ROOT / ".env.example").read_text())
    Path(".env").chmod(0o600)
    message = refusal(CountersignSettings, TurboDocxSettings, SECRETS)
    asked = [line.split()[0] for line in message.splitlines()[1:]]
    assert asked == [
        f"TURBODOCX_{name}" for name in ("API_KEY", "ORG_ID", "SENDER_EMAIL", "SENDER_NAME", "WEBHOOK_SECRET")
    ]
