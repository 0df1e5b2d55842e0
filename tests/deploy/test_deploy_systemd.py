"""deploy/systemd: the units are what systemd takes, are locked down, and their commands run."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from countersign.agreements.messages import Outcome
from countersign.connection import connect
from countersign.free_ports import free_port
from countersign.settings import CountersignSettings
from devstack.processes import Part, responds
from devstack.sandbox import API_KEY
from tests.conftest import tool
from tests.deploy.agreement import run_to_its_end
from tests.deploy.stand_in import ROOT, check_api, make_token, outside, set_up_webhook

FOLDER = ROOT / "deploy/systemd"
UNITS = sorted(FOLDER.glob("*.service"))
SETTINGS = FOLDER / "settings.env"
EXPOSURE = "20"
"""Of 100, by `systemd-analyze security`: what can do no more than it must has about 14."""


def values(unit: Path, key: str) -> list[str]:
    """All values of a key, in the unit's order."""
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


def variables(unit: Path) -> dict[str, str]:
    """The variables that a unit and its file of settings set."""
    lines = [*SETTINGS.read_text().splitlines(), *values(unit, "Environment")]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_units_paths_are_those_of_the_guide(unit: Path) -> None:
    guide = (ROOT / "docs/how-to/run-with-systemd.md").read_text()
    assert values(unit, "WorkingDirectory") == ["/opt/countersign"]
    for path in [*values(unit, "EnvironmentFile"), "/opt/countersign"]:
        assert path in guide
    for credential in values(unit, "LoadCredential"):
        name, path = credential.split(":")
        assert path == f"/etc/countersign/secrets/{name}"
        assert path in guide or f"secrets/{name}" in guide
    assert f"deploy/systemd/{unit.name}" in guide or "deploy/systemd/*.service" in guide


def test_the_guides_additions_are_for_every_unit(tmp_path: Path) -> None:
    guide = (ROOT / "docs/how-to/run-with-systemd.md").read_text()
    scripts = re.findall(r"```sh\n(for part in .*?)```", guide, re.DOTALL)
    for script in scripts:
        done = script.replace("/etc/systemd/system", str(tmp_path))
        subprocess.run([tool("sh"), "-euc", done], check=True)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.conf")}
    names = ("encryption.conf", "temporal.conf")
    assert made == {Path(f"{unit.name}.d") / name for unit in UNITS for name in names}
    for path in tmp_path.rglob("*.conf"):
        (credential,) = values(path, "LoadCredential")
        assert credential.split(":")[1] == f"/etc/countersign/secrets/{credential.split(':')[0]}"
        (variable,) = values(path, "Environment")
        assert variable.endswith(("=%d", f"=%d/{credential.split(':')[0]}"))


def test_only_the_worker_has_a_key_of_the_provider() -> None:
    having = [unit.stem for unit in UNITS if "API_KEY" in " ".join(values(unit, "LoadCredential"))]
    assert having == ["countersign-worker"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_reads_secrets_only_if_systemd_hands_it_some(unit: Path) -> None:
    """Without a credential systemd makes no folder, and a folder that is missing stops the program."""
    reads = "COUNTERSIGN_SECRETS_DIR" in variables(unit)
    assert reads is bool(values(unit, "LoadCredential"))


def test_a_worker_has_time_to_finish_its_calls() -> None:
    seconds = CountersignSettings.model_fields["graceful_stop_seconds"].default
    assert int(values(FOLDER / "countersign-worker.service", "TimeoutStopSec")[0]) > seconds


def test_the_command_runs_with_the_settings_of_the_units_as_their_user(tmp_path: Path) -> None:
    etc, programs = tmp_path / "etc", tmp_path / "bin"
    (etc / "secrets").mkdir(parents=True)
    programs.mkdir()
    (etc / "settings.env").write_text(f"{SETTINGS.read_text()}TURBODOCX_SENDER_NAME='Example Contracts'\n")
    (etc / "secrets/temporal.toml").touch()
    for name, text in {"setpriv": 'echo "$@"; shift 3; exec "$@"', "countersign": 'echo "$@"; env'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    script = tmp_path / "countersign"
    text = (FOLDER / "countersign").read_text().replace("/etc/countersign", str(etc))
    script.write_text(text.replace("/opt/countersign/.venv/bin", str(programs)))
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    command = [tool("sh"), str(script), "start", "a b.yaml"]
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=True)
    user, arguments, *shown = done.stdout.splitlines()
    assert user.startswith("--reuid=countersign --regid=countersign --init-groups ")
    assert arguments == "start a b.yaml"
    assert set(shown) >= {
        "HOME=/var/lib/countersign",
        "COUNTERSIGN_ENVIRONMENT=production",
        "TURBODOCX_SENDER_NAME=Example Contracts",
        f"COUNTERSIGN_SECRETS_DIR={etc}/secrets",
        f"TEMPORAL_CONFIG_FILE={etc}/secrets/temporal.toml",
    }
    guide = (ROOT / "docs/how-to/run-with-systemd.md").read_text()
    (owner,) = {value for unit in UNITS for value in values(unit, "User")}
    assert f"-o {owner} " in guide
    assert {value for unit in UNITS for value in values(unit, "StateDirectory")} == {owner}


@pytest.mark.heavy
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_the_unit_and_finds_it_locked_down(unit: Path, tmp_path: Path) -> None:
    analyze = tool("systemd-analyze", "systemd")
    here = tmp_path / unit.name
    here.write_text(unit.read_text().replace("/opt/countersign/.venv/bin/python", sys.executable))
    verified = subprocess.run([analyze, "verify", here], capture_output=True, text=True, check=False)
    own = [line for line in verified.stderr.splitlines() if unit.name in line]
    assert (verified.returncode, own) == (0, []), verified.stderr
    rated = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={EXPOSURE}", here],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout[-500:]


def unit_part(unit: Path, folder: Path, changed: Mapping[str, str], ready: str) -> Part:
    """A unit's command as a process, with its variables and credentials.

    Args:
        unit: The unit.
        folder: Has the folder `secrets`, which the credentials come from.
        changed: Variables that this machine has otherwise; `PORT` is the command's.
        ready: Responds 200 when it is ready.
    """
    credentials = folder / unit.stem
    credentials.mkdir(exist_ok=True)
    for credential in values(unit, "LoadCredential"):
        name = credential.split(":")[0]
        (credentials / name).write_bytes((folder / "secrets" / name).read_bytes())
    environment = {name: value.replace("%d", str(credentials)) for name, value in variables(unit).items()}
    (command,) = values(unit, "ExecStart")
    _, *arguments = re.sub(r"(?<=--port )\d+", changed.get("PORT", ""), command).split()
    path = {"PATH": os.environ["PATH"]}
    return Part(
        unit.stem, [sys.executable, *arguments], responds(ready), path | environment | dict(changed), ROOT
    )


@pytest.mark.heavy
async def test_the_units_commands_run_an_agreement_to_its_end(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "TURBODOCX_API_KEY").write_text(API_KEY)
    port, metrics = free_port(), free_port()
    async with outside(tmp_path) as there:
        changed = there.settings(tmp_path)
        url = f"http://127.0.0.1:{port}/webhooks/turbodocx"
        environment = (
            {"PATH": os.environ["PATH"]} | variables(FOLDER / "countersign-worker.service") | changed
        )
        set_up_webhook(url, environment | {"COUNTERSIGN_SECRETS_DIR": str(secrets)})
        assert (secrets / "TURBODOCX_WEBHOOK_SECRET").read_text().startswith("whsec_")
        receiver = unit_part(
            FOLDER / "countersign-receiver.service",
            tmp_path,
            changed | {"PORT": str(port), "COUNTERSIGN_WEBHOOKS_METRICS_PORT": str(free_port())},
            f"http://127.0.0.1:{port}/readyz",
        )
        worker = unit_part(
            FOLDER / "countersign-worker.service",
            tmp_path,
            changed | {"COUNTERSIGN_WORKER_METRICS_PORT": str(metrics)},
            f"http://127.0.0.1:{metrics}/readyz",
        )
        served = str(free_port())
        api = unit_part(
            FOLDER / "countersign-api.service",
            tmp_path,
            changed | {"PORT": served, "COUNTERSIGN_API_METRICS_PORT": str(free_port())},
            f"http://127.0.0.1:{served}/readyz",
        )
        for part in (receiver, worker, api):
            await there.supervisor.start(part)
        client = await connect(environment={"TEMPORAL_ADDRESS": there.temporal})
        result = await run_to_its_end(client, there.sandbox)
        token = make_token(environment | {"COUNTERSIGN_SECRETS_DIR": str(secrets)})
        await check_api(f"http://127.0.0.1:{served}", token, result)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")
