"""`webhook setup`, `webhook remove` and `webhook test`, against the real sandbox and a real receiver."""

import asyncio
import json
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from dotenv import dotenv_values
from temporalio.client import Client

from cli import subscription
from cli.webhook import report
from countersign.client.errors import BadInputError, ExitCode, UnreachableError
from countersign.client.provider import explained_by_provider
from countersign.configuration import load
from countersign.free_ports import free_port
from countersign.providers.turbodocx.adapter import TurboDocx, connect
from countersign.providers.turbodocx.settings import TurboDocxSettings
from countersign.secrets.keeping import NowhereToKeepError, place_for
from countersign.secrets.rotation import Rotating
from countersign.settings import ProviderSettings
from devstack.sandbox import API_KEY, MEMBER_KEY, ORG_ID, Sandbox, SandboxError
from tests.providers.provider_desk import ACCOUNT
from tests.webhooks.webhook_deliveries import PATH
from tests.webhooks.webhook_receivers import RunningReceiver, environment_of, running_receiver

ROOT = Path(__file__).parents[2]
URL = f"https://receiver.example.com{PATH}"
SECRET, PREVIOUS = "TURBODOCX_WEBHOOK_SECRET", "TURBODOCX_WEBHOOK_SECRET_PREVIOUS"


def settings_at(sandbox: Sandbox) -> dict[str, str]:
    return {
        "TURBODOCX_API_KEY": API_KEY,
        "TURBODOCX_ORG_ID": ORG_ID,
        "TURBODOCX_BASE_URL": sandbox.url,
        "TURBODOCX_SENDER_EMAIL": "contracts@example.com",
        "TURBODOCX_SENDER_NAME": "Example Contracts",
    }


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working folder, without Countersign's environment variables."""
    for name in (SECRET, f"{SECRET}_FILE", PREVIOUS, "COUNTERSIGN_SECRETS_DIR", "COUNTERSIGN_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest_asyncio.fixture
async def provider(
    clean: Path,  # noqa: ARG001 (it changes the environment)
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[TurboDocx]:
    """A client of a sandbox without a subscription."""
    for name, value in settings_at(sandbox).items():
        monkeypatch.setenv(name, value)
    (settings,) = load(TurboDocxSettings)
    await unsubscribe(sandbox)
    opened = connect(ACCOUNT.name, Rotating(settings), ProviderSettings())
    yield opened
    await opened.close()
    await unsubscribe(sandbox)


async def unsubscribe(sandbox: Sandbox) -> None:
    with suppress(SandboxError):  # there may be none to delete
        await sandbox.call("DELETE", "/api/webhooks/signature")


async def starter(
    client: Client, sandbox: Sandbox, *arguments: str, **changes: str
) -> tuple[int | None, str]:
    """Run the command line in the working folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "starter.py"), *arguments),
        env={**environment_of(client), **settings_at(sandbox), SECRET: "", **changes},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.heavy
@pytest.mark.usefixtures("provider")
async def test_from_nothing_to_a_verified_test_event(
    receiving: Client, sandbox: Sandbox, clean: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}"

    code, output = await starter(receiving, sandbox, "webhook", "setup", "--url", url)

    secret = dotenv_values(clean / ".env")[SECRET]
    assert (code, bool(secret)) == (0, True)
    assert f"subscribed to 7 events at {url}" in output
    assert secret is not None
    assert secret not in output
    assert stat.S_IMODE((clean / ".env").stat().st_mode) == 0o600

    async with running_receiver(receiving, f"--port={port}", **{SECRET: "", "PYTHONPATH": str(ROOT)}):
        code, output = await starter(receiving, sandbox, "webhook", "test")
        assert (code, output) == (0, f"{url}: 200: came through and verified\n")


async def test_what_becomes_of_a_test_event_is_explained(
    provider: TurboDocx, receiver: RunningReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    await subscription.set_up(ACCOUNT, provider, f"{receiver.url}{PATH}", new_secret=False)
    await subscription.set_up(ACCOUNT, provider, f"http://127.0.0.1:{free_port()}{PATH}", new_secret=False)

    with pytest.raises(UnreachableError, match="2 of 2 addresses did not take the test event"):
        report(ACCOUNT, await subscription.try_out(ACCOUNT, provider))

    reported = capsys.readouterr().err
    assert "401: arrived, and its signature did not fit" in reported  # the receiver has another secret
    assert "no response: is the receiver up" in reported


async def test_another_address_joins_those_there_are_and_the_secret_stays(
    provider: TurboDocx, clean: Path
) -> None:
    await subscription.set_up(ACCOUNT, provider, URL, new_secret=False)
    before = (clean / ".env").read_text()

    made = await subscription.set_up(ACCOUNT, provider, f"https://other.example.com{PATH}", new_secret=False)

    assert made.urls == (URL, f"https://other.example.com{PATH}")
    assert made.secret is None
    assert (clean / ".env").read_text() == before


async def test_a_wrong_address_is_removed_and_the_rest_stays(provider: TurboDocx, clean: Path) -> None:
    wrong = f"https://reciever.example.com{PATH}"
    with pytest.raises(BadInputError, match="no subscription exists"):
        await subscription.remove(ACCOUNT, provider, wrong)
    await subscription.set_up(ACCOUNT, provider, wrong, new_secret=False)
    before = (clean / ".env").read_text()
    with pytest.raises(BadInputError, match="the only address"):
        await subscription.remove(ACCOUNT, provider, wrong)
    await subscription.set_up(ACCOUNT, provider, URL, new_secret=False)

    assert await subscription.remove(ACCOUNT, provider, wrong) == (URL,)

    left = await provider.webhooks.find()
    assert left is not None
    assert (left.urls, len(left.events), left.is_active) == ((URL,), 7, True)
    assert (clean / ".env").read_text() == before
    with pytest.raises(BadInputError, match=f"not subscribed; these are: {URL}"):
        await subscription.remove(ACCOUNT, provider, wrong)


async def test_a_new_secret_leaves_the_old_one_valid_for_a_while(provider: TurboDocx, clean: Path) -> None:
    (clean / ".env").write_text("# mine\nOTHER=kept\n")
    (clean / ".env").chmod(0o600)
    await subscription.set_up(ACCOUNT, provider, URL, new_secret=False)
    old = dotenv_values(clean / ".env")[SECRET]

    made = await subscription.set_up(ACCOUNT, provider, URL, new_secret=True)

    found = dotenv_values(clean / ".env")
    assert found[PREVIOUS] == old
    assert found[SECRET] not in {old, None}
    assert datetime.fromisoformat(str(found[f"{PREVIOUS}_UNTIL"])) > datetime.now(UTC)
    assert made.secret == f"whs***{str(found[SECRET])[-3:]}"
    assert (clean / ".env").read_text().startswith("# mine\nOTHER=kept\n")


async def test_a_subscription_with_an_unknown_secret_is_kept(provider: TurboDocx, clean: Path) -> None:
    await subscription.set_up(ACCOUNT, provider, URL, new_secret=False)
    (clean / ".env").unlink()

    with pytest.raises(BadInputError, match="--new-secret"):
        await subscription.set_up(ACCOUNT, provider, f"https://other.example.com{PATH}", new_secret=False)

    assert (await provider.client.webhooks.get()).urls == (URL,)


async def test_nothing_is_subscribed_where_the_secret_could_not_be_kept(
    provider: TurboDocx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{SECRET}_FILE", "/nowhere/secret")

    with pytest.raises(BadInputError, match="cannot be written"):
        await subscription.set_up(ACCOUNT, provider, URL, new_secret=False)
    with pytest.raises(BadInputError, match="no subscription exists"):
        await subscription.try_out(ACCOUNT, provider)


@pytest.mark.usefixtures("provider")
async def test_a_key_without_the_role_is_reported_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURBODOCX_API_KEY", MEMBER_KEY)
    (settings,) = load(TurboDocxSettings)

    client = connect(ACCOUNT.name, Rotating(settings), ProviderSettings())
    with pytest.raises(BadInputError, match="administrator"):
        async with explained_by_provider(client):
            await subscription.set_up(ACCOUNT, client, URL, new_secret=False)
    await client.close()


@pytest.mark.parametrize(
    ("url", "sandbox", "fits"),
    [
        (URL, False, True),
        (f"http://127.0.0.1:8080{PATH}", True, True),
        (f"http://127.0.0.1:8080{PATH}", False, False),
        (f"http://receiver.example.com{PATH}", True, False),
        (f"https://user:pw@receiver.example.com{PATH}", False, False),
        (f"https://{PATH}", False, False),
        ("receiver.example.com", False, False),
        ("https://receiver.example.com", False, False),
        (f"{URL}/", False, False),
        (f"{URL}?x=1", False, False),
        (f"{URL}#x", False, False),
    ],
)
def test_only_an_address_of_a_receiver_is_subscribed(url: str, *, sandbox: bool, fits: bool) -> None:
    if fits:
        assert subscription.check_url(url, PATH, sandbox=sandbox) == url
    else:
        with pytest.raises(BadInputError, match="--url: "):
            subscription.check_url(url, PATH, sandbox=sandbox)


def test_a_secret_goes_to_the_file_that_the_settings_name(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{SECRET}_FILE", str(clean / "mounted"))
    values = {SECRET: "new", PREVIOUS: "old"}

    place_for(SECRET).keep(values)

    assert (clean / "mounted").read_text() == "new"
    assert not (clean / ".env").exists()


def test_or_to_the_folder_of_secrets(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clean / "secrets").mkdir()
    monkeypatch.setenv("COUNTERSIGN_SECRETS_DIR", f"{clean / 'secrets'}:/run/secrets")

    place_for(SECRET).keep({SECRET: "new", PREVIOUS: "old"})

    assert {path.name: path.read_text() for path in (clean / "secrets").iterdir()} == {
        SECRET: "new",
        PREVIOUS: "old",
    }


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({SECRET: "whsec_set-by-hand"}, "set in the environment"),
        ({"COUNTERSIGN_ENVIRONMENT": "production"}, f"set {SECRET}_FILE"),
        ({"COUNTERSIGN_SECRETS": "aws:countersign"}, f"set {SECRET}_FILE"),
    ],
)
def test_where_no_program_should_write_it_says_what_to_do(
    clean: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], complaint: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(NowhereToKeepError, match=complaint):
        place_for(SECRET)

    assert list(clean.iterdir()) == []


def test_what_is_kept_is_whole_or_as_before(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    (clean / ".env").write_text("OTHER=kept\n")
    monkeypatch.setattr("countersign.secrets.keeping.os.fsync", full)

    with pytest.raises(OSError, match="No space"):
        place_for(SECRET).keep({SECRET: "new"})

    assert {path.name: path.read_text() for path in clean.iterdir()} == {".env": "OTHER=kept\n"}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "other", [{"COUNTERSIGN_ENVIRONMENT": "production"}, {"TEMPORAL_NAMESPACE": "another"}], ids=str
)
async def test_a_receiver_of_another_environment_is_no_success(
    receiving: Client, provider: TurboDocx, sandbox: Sandbox, clean: Path, other: dict[str, str]
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}"
    await subscription.set_up(ACCOUNT, provider, url, new_secret=False)
    same = {SECRET: str(dotenv_values(clean / ".env")[SECRET]), "PYTHONPATH": str(ROOT)}

    async with running_receiver(receiving, f"--port={port}", **same, **other):
        code, tested = await starter(receiving, sandbox, "webhook", "test")
        _, diagnosed = await starter(receiving, sandbox, "doctor", "--json")

        async with running_receiver(receiving, **same) as own:
            await subscription.set_up(ACCOUNT, provider, f"{own.url}{PATH}", new_secret=False)
            beside, shown = await starter(receiving, sandbox, "webhook", "test")

    assert code == ExitCode.UNREACHABLE
    assert "421: arrived, and the receiver serves another environment than development" in tested
    (line,) = [item for item in json.loads(diagnosed)["findings"] if item["check"] == "test event"]
    assert line["state"] == "failed"
    assert "its COUNTERSIGN_ENVIRONMENT and TEMPORAL_NAMESPACE must be the worker's" in line["found"]
    assert beside == ExitCode.DONE, "environments may share a subscription"
    assert f"{own.url}{PATH}: 200: came through and verified" in shown
