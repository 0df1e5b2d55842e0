"""docs/how-to/go-live.md can be followed: its commands print what it shows; its policy and profiles work."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import trustme
from dotenv import dotenv_values
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from countersign.agreements import search_attributes
from countersign.agreements.messages import Stage
from countersign.client.agreements import agreement_result
from countersign.client.follow import follow_agreement
from countersign.connection import ConnectionFailedError, connect
from countersign.free_ports import free_port
from countersign.settings import EncryptionSettings, load
from countersign.storage import StorageError, open_store, put
from devstack.processes import Part, Supervisor
from devstack.sandbox import API_KEY
from tests.aws import aws
from tests.cli.shell import Shell, matches
from tests.conftest import tool
from tests.deploy.stand_in import ROOT, Outside, outside
from tests.deploy.test_deploy_systemd import FOLDER, unit_part

PAGE = (ROOT / "docs/how-to/go-live.md").read_text()
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*) -->|```(?P<kind>\w*)\n(?P<text>.*?)^```)$", re.MULTILINE | re.DOTALL
)
OWNER = "-o countersign -g countersign "


@dataclass(frozen=True)
class Step:
    """A block to type.

    Args:
        marks: The comments before it.
        text: What is typed.
        shown: What the page shows next, if it shows something.
    """

    marks: tuple[str, ...]
    text: str
    shown: list[str]


def _steps() -> Iterator[Step]:
    marks: list[str] = []
    blocks = list(BLOCK.finditer(PAGE))
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block["mark"]:
            marks.append(block["mark"])
            continue
        if marks:
            shows = following is not None and following["kind"] == "text"
            shown = following["text"].splitlines() if following is not None and shows else []
            yield Step(tuple(marks), block["text"], shown)
        marks = []


STEPS = list(_steps())


def block_of(mark: str) -> str:
    (found,) = [step.text for step in STEPS if mark in step.marks]
    return found


def test_it_has_ten_steps_in_order() -> None:
    numbers = re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 11)]


def test_the_search_attributes_are_all_there() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (Keyword|Bool|Datetime) \|$", PAGE, re.MULTILINE))
    assert {name: kind.upper() for name, kind in rows.items()} == {
        name: str(kind).upper() for name, kind in search_attributes.TYPES.items()
    }


def test_the_encryption_key_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = block_of("key").replace(OWNER, "").replace("/etc/countersign/secrets", str(tmp_path))
    subprocess.run([tool("sh"), "-euc", script], check=True)
    monkeypatch.setenv("COUNTERSIGN_SECRETS_DIR", str(tmp_path))
    (settings,) = load(EncryptionSettings)
    assert list(settings.by_id()) == ["2027"]
    assert (tmp_path / "COUNTERSIGN_ENCRYPTION_KEYS").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket where the page's policy is enforced; yields its client. The environment names it."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with aws() as address:
        given = {"endpoint_url": address, "region_name": "us-east-1"}
        administrator = given | {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        boto3.client("s3", **administrator).create_bucket(Bucket="example-contracts")
        users = boto3.client("iam", **administrator)
        users.create_user(UserName="countersign")
        users.put_user_policy(UserName="countersign", PolicyName="store", PolicyDocument=block_of("policy"))
        key = users.create_access_key(UserName="countersign")["AccessKey"]
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        httpx.post(f"{address}/moto-api/reset-auth", content="0").raise_for_status()
        user = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        yield boto3.client("s3", **given, **user)
        httpx.post(f"{address}/moto-api/reset-auth", content="inf").raise_for_status()


async def test_the_policy_allows_what_the_store_does_and_no_deleting(s3: Any) -> None:
    assert all(line.split("=")[0] in os.environ for line in block_of("bucket").splitlines()[1:-1])
    store = open_store("s3://example-contracts/countersign")
    await put(store, "order-1/claim.json", b"{}")
    assert await store.read("order-1/claim.json") == b"{}"
    assert await store.keys("order-1") == ["order-1/claim.json"]
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="example-contracts", Key="countersign/order-1/claim.json")
    with pytest.raises(StorageError):
        await put(open_store("s3://example-contracts/other"), "order-1/claim.json", b"{}")


def test_the_units_and_the_command_read_the_credentials_of_the_bucket(tmp_path: Path) -> None:
    settings = tmp_path / "settings.env"
    script = block_of("bucket").replace("/etc/countersign", str(tmp_path))
    subprocess.run([tool("sh"), "-euc", script], check=True)
    assert {"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} == dotenv_values(settings).keys()
    for unit in FOLDER.glob("*.service"):
        assert "EnvironmentFile=/etc/countersign/settings.env\n" in unit.read_text()
    text = (FOLDER / "countersign").read_text().replace("/etc/countersign", str(tmp_path))
    shown = text.partition("exec setpriv")[0] + "env\n"
    done = subprocess.run([tool("sh"), "-euc", shown], capture_output=True, text=True, check=True, env={})
    assert "AWS_SECRET_ACCESS_KEY=the-key" in done.stdout.splitlines()


def _profile(kind: str, folder: Path, address: str, **tls: str) -> Path:
    """Write the page's profile for a server of this machine; `tls` replaces or adds what it says."""
    text = re.sub(r"(?m)^address = .*", f'address = "{address}"', block_of(f"profile: {kind}"))
    text = re.sub(r"(?m)^namespace = .*", 'namespace = "default"', text)
    if kind == "key":
        text += "[profile.default.tls]\n"
    for name, value in tls.items():
        text = re.sub(rf'(?s){name} = """.*?"""\n', "", text)
        text += f'{name} = """\n{value}"""\n'
    path = folder / "temporal.toml"
    path.write_text(text)
    return path


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["key", "certificate"])
async def test_a_profile_of_temporal_cloud_connects(
    kind: str, temporal_env: WorkflowEnvironment, authority: trustme.CA, tmp_path: Path
) -> None:
    """Caddy stands for the cloud: it speaks TLS, and asks for the key, or for the certificate."""
    port = free_port()
    server, own = authority.issue_cert("localhost"), authority.issue_cert("countersign.example.com")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    server.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    asked = f"client_auth {{\nmode require_and_verify\ntrusted_ca_cert_file {tmp_path}/authority.pem\n}}"
    refused = '@no {\nnot header Authorization "Bearer the-key"\n}\nrespond @no 401'
    (tmp_path / "Caddyfile").write_text(
        f"{{\nadmin off\nauto_https off\n}}\nhttps://localhost:{port} {{\n"
        f"tls {tmp_path}/server.pem {tmp_path}/server.pem {{\n{asked if kind == 'certificate' else ''}\n}}\n"
        f"{refused if kind == 'key' else ''}\n"
        f"reverse_proxy h2c://{temporal_env.client.service_client.config.target_host}\n}}\n"
    )
    command = [tool("caddy"), "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    tls = {"server_ca_cert_data": authority.cert_pem.bytes().decode()}
    if kind == "certificate":
        tls["client_cert_data"] = own.cert_chain_pems[0].bytes().decode()
        tls["client_key_data"] = own.private_key_pem.bytes().decode()
    environment = {"TEMPORAL_CONFIG_FILE": str(_profile(kind, tmp_path, f"localhost:{port}", **tls))}
    async with Supervisor(tmp_path / "logs") as supervisor:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        await supervisor.start(Part("caddy", command, lambda out: "serving initial" in out, env, tmp_path))
        client = await connect(environment=environment)
        assert await client.service_client.check_health()
        wrong = dict(tls, client_cert_data="", client_key_data="") if kind == "certificate" else tls
        text = _profile(kind, tmp_path, f"localhost:{port}", **wrong).read_text()
        (tmp_path / "temporal.toml").write_text(text.replace("the-key", "another"))
        with pytest.raises(ConnectionFailedError):
            await connect(environment=environment)


@pytest.mark.heavy
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    tool("promtool", "prometheus")
    (step,) = [step for step in STEPS if "alerts" in step.marks]
    lines = step.text.splitlines(keepends=True)
    script = "".join(line for line in lines if not line.startswith(("apt-get", "systemctl")))
    script = script.replace("/etc/prometheus", str(tmp_path)).replace("/opt/countersign", str(ROOT))
    done = subprocess.run([tool("sh"), "-euc", script], capture_output=True, text=True, check=True)
    links = re.findall(r"runbook_url: (.*)", (tmp_path / "countersign.yml").read_text())
    assert links
    assert all(
        link.startswith("https://code.example.com/countersign/blob/main/docs/how-to/") for link in links
    )
    printed = [line for line in done.stdout.replace(str(tmp_path), "/etc/prometheus").splitlines() if line]
    assert printed == [line for line in step.shown if line]


@dataclass
class Host:
    """A machine that the page is followed on: its paths become folders of a test, its units processes.

    What differs from the page: the environment is `staging`, the provider is a sandbox, no proxy stands
    between them, and systemd, packages and users are not there.
    """

    folder: Path
    there: Outside
    ports: dict[str, str] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.etc, self.bin = self.folder / "etc", self.folder / "bin"
        for folder in (self.etc / "secrets", self.bin, self.folder / "var", self.folder / "tmp"):
            folder.mkdir(parents=True)
        self.ports = {name: str(free_port()) for name in ("receiver", "worker", "metrics")}
        self.url = f"http://127.0.0.1:{self.ports['receiver']}"
        self._script("setpriv", 'shift 3; exec "$@"')
        text = self.here((FOLDER / "countersign").read_text())
        program = f"{sys.executable} {ROOT}/starter.py"
        self._script("countersign", text.replace(f"{ROOT}/.venv/bin/countersign", program))
        settings = self.here((FOLDER / "settings.env").read_text())
        found = {"TEMPORAL_ADDRESS": self.there.temporal, "TURBODOCX_BASE_URL": self.there.sandbox.url}
        kept = [line for line in settings.splitlines() if line.partition("=")[0] not in found]
        lines = [*kept, *(f"{name}={value}" for name, value in found.items())]
        (self.etc / "settings.env").write_text("\n".join([*lines, ""]))

    def here(self, text: str) -> str:
        """Write what the page says as this machine's."""
        for theirs, ours in {
            OWNER: "",
            " --production": "",
            "=production": "=staging",
            "/store/production/": "/store/staging/",
            "  production/": "  staging/",
            "https://webhooks.example.com": self.url,
            "https://api.turbodocx.com": self.there.sandbox.url,
            "7233": self.there.temporal.split(":")[1],
            "/etc/countersign": str(self.etc),
            "/etc/systemd/system": str(self.folder / "tmp"),
            "/var/lib/countersign": str(self.folder / "var"),
            "/usr/local/bin": str(self.bin),
            "/opt/countersign": str(ROOT),
            "/tmp/first": str(self.folder / "tmp/first"),  # noqa: S108  # the page's
            "https://…": "http…",
        }.items():
            text = text.replace(theirs, ours)
        return text

    def _script(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    async def type(self, text: str, typed: str = "") -> list[str]:
        """Run a block line by line; returns what it prints."""
        shown: list[str] = []
        for part in re.split(r"^(systemctl .*)\n", text, flags=re.MULTILINE):
            if part.startswith("systemctl"):
                await self._systemctl(part.split())
            elif part:
                shown += self._run(part, typed)
        return [line for line in shown if line.strip()]

    def _run(self, script: str, typed: str) -> list[str]:
        environment = {
            "PATH": f"{self.bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TEMPORAL_ADDRESS": self.there.temporal,
            "COLUMNS": "200",
        }
        done = subprocess.run(
            [tool("sh"), "-euc", self.here(script)],
            env=environment,
            cwd=self.folder,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout.splitlines()

    async def _systemctl(self, words: list[str]) -> None:
        if words[1] == "daemon-reload":
            return
        name = words[-1].removeprefix("countersign-")
        unit = self.folder / "tmp" / f"{words[-1]}.service"
        assert unit.exists(), "its file was copied before"
        if name in self.started:
            assert words[1] == "restart"
            await self.there.supervisor.stop(words[-1])
        settings = dotenv_values(self.etc / "settings.env", interpolate=False)
        changed = {key: value for key, value in settings.items() if value is not None}
        port = self.ports["receiver" if name == "receiver" else "worker"]
        changed["PORT"] = port
        metrics = {
            "receiver": "COUNTERSIGN_WEBHOOKS_METRICS_PORT",
            "worker": "COUNTERSIGN_WORKER_METRICS_PORT",
        }
        changed[metrics[name]] = self.ports["metrics"] if name == "receiver" else port
        part = unit_part(unit, self.etc, changed, f"http://127.0.0.1:{port}/readyz")
        await self.there.supervisor.start(part)
        self.started.add(name)


def _differences(shown: list[str], printed: list[str]) -> list[tuple[str, str]]:
    assert len(printed) >= len(shown), "\n".join(printed)
    return [pair for pair in zip(shown, printed, strict=False) if not matches(*pair)]


def _init(host: Host, step: Step, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer the questions as the page shows it; the key is typed unseen."""
    for name in [name for name in os.environ if name.startswith(("TURBODOCX_", "COUNTERSIGN_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    questions = [re.fullmatch(r"(.*\((\w+)\):) ?(.*)", line) for line in step.shown]
    answers = [
        (f"({found[2]}): ".encode(), f"{found[3] or API_KEY}\n".encode()) for found in questions if found
    ]
    arguments = host.here(step.text).split()[1:]
    shown, code = Shell(host.folder).at_a_terminal(*arguments, answers=answers)
    assert code == 8, "webhook and worker are still missing"
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    printed = [line.strip() for line in plain.splitlines() if line.strip()]
    assert [line for line in printed if line.startswith("FAILED")] == [
        "FAILED   webhook subscription  none: agreements learn of signatures by polling only"
    ]
    return printed


async def _sign(host: Host, reference: str, client: Client) -> None:
    async for status in follow_agreement(reference, client=client):
        if status.stage == Stage.AWAITING_SIGNATURES and status.document_id:
            await host.there.sandbox.complete(status.document_id)
            break
    await agreement_result(reference, client=client)


@pytest.mark.heavy
@pytest.mark.timeout(300)
async def test_the_page_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with outside(tmp_path) as there:
        host = Host(tmp_path / "host", there)
        for step in [step for step in STEPS if "do" in step.marks]:
            for mark in step.marks:
                if mark.startswith("sign "):
                    environment = {"TEMPORAL_ADDRESS": there.temporal, "TEMPORAL_NAMESPACE": "contracts"}
                    client = await connect(environment=environment)
                    await _sign(host, mark.removeprefix("sign "), client)
            if step.text.startswith("countersign init"):
                printed = _init(host, step, monkeypatch)
            else:
                printed = await host.type(step.text, typed=API_KEY)
            shown = [host.here(line) for line in step.shown]
            assert _differences(shown, printed) == [], step.text
            assert not shown or len(printed) == len(shown) or "init" in step.text, "\n".join(printed)
