"""deploy/kubernetes: what Kubernetes takes, locked down; its commands, variables and probes run natively."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from countersign.agreements.messages import Outcome
from countersign.connection import connect
from countersign.free_ports import free_port
from countersign.settings import CountersignSettings
from countersign.settings_reference import groups
from devstack.processes import Part, responds
from devstack.sandbox import API_KEY
from tests.conftest import cannot_run, tool
from tests.deploy.agreement import run_to_its_end
from tests.deploy.stand_in import ROOT, check_api, make_token, outside, set_up_webhook

FOLDER = ROOT / "deploy/kubernetes"
SETTINGS = FOLDER / "overlays/production/settings.env"
VERSIONS = ("1.30", "1.36")
"""The oldest and the newest version that the manifests are checked against."""
_OF_KEDA = "keda.sh/v1alpha1"
_KUSTOMIZE = "kustomize.config.k8s.io"

Document = dict[str, Any]


def _documents(text: str) -> list[Document]:
    return [document for document in yaml.safe_load_all(text) if document]


def _written() -> Iterator[tuple[str, Document]]:
    for path in sorted(FOLDER.rglob("*.yaml")):
        for document in _documents(path.read_text()):
            if not document["apiVersion"].startswith(_KUSTOMIZE):
                yield f"{path.relative_to(FOLDER)}:{document['kind']}", document


WRITTEN = dict(_written())
DEPLOYMENTS = {
    document["metadata"]["name"].removeprefix("countersign-"): document
    for document in WRITTEN.values()
    if document["kind"] == "Deployment"
}


def _pod(name: str) -> Document:
    pod: Document = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return pod


def _container(name: str) -> Document:
    (container,) = _pod(name)["containers"]
    found: Document = container
    return found


def _settings() -> dict[str, str]:
    lines = SETTINGS.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _secrets(name: str) -> dict[str, str]:
    """The secrets that a pod mounts, by the folder."""
    secret = {
        volume["name"]: volume["secret"]["secretName"]
        for volume in _pod(name)["volumes"]
        if "secret" in volume
    }
    return {
        mount["mountPath"]: secret[mount["name"]]
        for mount in _container(name)["volumeMounts"]
        if mount["name"] in secret
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", WRITTEN)
def test_kubernetes_takes_the_document(name: str, version: str) -> None:
    if WRITTEN[name]["apiVersion"] == _OF_KEDA:
        return  # its schema is KEDA's own
    kubernetes_validate.validate(WRITTEN[name], version, strict=True)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_can_do_no_more_than_it_must(name: str) -> None:
    pod, container = _pod(name), _container(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "--uid 10001" in (ROOT / "Dockerfile").read_text()
    assert pod["securityContext"]["runAsUser"] == 10001
    assert container["resources"].keys() == {"requests", "limits"}


def test_secrets_are_files_and_only_workers_have_the_keys_of_providers() -> None:
    having = {name for name in DEPLOYMENTS if "countersign-account" in _secrets(name).values()}
    assert having == {"worker"}
    for name in DEPLOYMENTS:
        variables = {entry["name"]: entry["value"] for entry in _container(name)["env"]}
        assert variables["COUNTERSIGN_SECRETS_DIR"].split(":") == list(_secrets(name))
    guide = (ROOT / "docs/how-to/run-on-kubernetes.md").read_text()
    named = {secret for name in DEPLOYMENTS for secret in _secrets(name).values()}
    assert sorted(secret for secret in named if f"`{secret}`" not in guide) == []


def test_every_variable_is_a_setting() -> None:
    known = {entry.variable for _, entries in groups() for entry in entries}
    known |= {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "CODEC_HOST"}
    used = set(_settings()) | {entry["name"] for name in DEPLOYMENTS for entry in _container(name)["env"]}
    assert used - known == set()


def _published(documents: Iterable[Document]) -> Iterator[tuple[str, str, str]]:
    """The paths that ingresses publish, with the service and the port's name."""
    for document in documents:
        if document["kind"] == "Ingress":
            for rule in document["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    service = path["backend"]["service"]
                    yield path["path"], service["name"], service["port"]["name"]


@pytest.mark.parametrize("name", ["receiver", "api", "codec-server"])
def test_a_service_its_policy_and_its_budget_mean_the_pods_and_ports_that_there_are(name: str) -> None:
    full = f"countersign-{name}"
    labels = DEPLOYMENTS[name]["spec"]["template"]["metadata"]["labels"]
    of_name = {
        document["kind"]: document["spec"]
        for document in WRITTEN.values()
        if document["metadata"]["name"] == full
    }
    ports = {port["name"] for port in _container(name)["ports"]}
    assert of_name["Service"]["selector"].items() <= labels.items()
    assert {port["targetPort"] for port in of_name["Service"]["ports"]} <= ports
    assert of_name["NetworkPolicy"]["podSelector"]["matchLabels"].items() <= labels.items()
    allowed = [port["port"] for rule in of_name["NetworkPolicy"]["ingress"] for port in rule["ports"]]
    assert allowed == ["http"]
    if DEPLOYMENTS[name]["spec"]["replicas"] > 1:
        assert of_name["PodDisruptionBudget"]["selector"]["matchLabels"].items() <= labels.items()
    named = [port for _, service, port in _published(WRITTEN.values()) if service == full]
    assert set(named) <= {port["name"] for port in of_name["Service"]["ports"]}


def test_what_is_published_is_what_the_programs_serve() -> None:
    paths = {(path, service) for path, service, _ in _published(WRITTEN.values())}
    assert paths == {
        ("/webhooks/", "countersign-receiver"),
        ("/v1/", "countersign-api"),
        ("/openapi.json", "countersign-api"),
    }


def test_a_worker_has_time_to_finish_its_calls() -> None:
    seconds = CountersignSettings.model_fields["graceful_stop_seconds"].default
    assert _pod("worker")["terminationGracePeriodSeconds"] > seconds


@pytest.mark.parametrize(
    "path", sorted(FOLDER.rglob("kustomization.yaml")), ids=lambda path: path.parent.name
)
def test_what_a_kustomization_names_is_there(path: Path) -> None:
    (document,) = _documents(path.read_text())
    named = [*document.get("resources", []), *document.get("components", [])]
    named += [env for made in document.get("configMapGenerator", []) for env in made["envs"]]
    assert [name for name in named if not (path.parent / name).exists()] == []


def _rendered(overlay: Path) -> list[Document]:
    kubectl = tool("kubectl")
    done = subprocess.run([kubectl, "kustomize", overlay], capture_output=True, text=True, check=False)
    if "unknown field" in done.stderr or "json: unknown" in done.stderr:
        cannot_run("this kubectl is too old for components: use 1.27 or later")
    assert done.returncode == 0, done.stderr
    return _documents(done.stdout)


@pytest.mark.heavy
@pytest.mark.parametrize("overlay", ["production", "worker-build"])
def test_an_overlay_renders_and_kubernetes_takes_it(overlay: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    folder = tmp_path / "kubernetes/overlays" / overlay
    if overlay == "production":
        path = folder / "kustomization.yaml"
        text = re.sub(r"^components: \[\] # (.*)$", r"components: [\1]", path.read_text(), flags=re.MULTILINE)
        for component in (FOLDER / "components").iterdir():
            assert f"../../components/{component.name}" in text.partition("components: [")[2]
        text = text.replace("# - ingress-api.yaml", "- ingress-api.yaml")
        path.write_text(text)
    rendered = _rendered(folder)
    for document in rendered:
        if document["apiVersion"] != _OF_KEDA:
            kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
    kinds = [document["kind"] for document in rendered]
    assert kinds.count("Deployment") == (4 if overlay == "production" else 1)
    services = {document["metadata"]["name"] for document in rendered if document["kind"] == "Service"}
    assert {service for _, service, _ in _published(rendered)} <= services
    for document in rendered:
        if document["kind"] == "Deployment":
            (container,) = document["spec"]["template"]["spec"]["containers"]
            assert container["image"].startswith("registry.example.com/countersign:")


@pytest.mark.heavy
@pytest.mark.parametrize(("state", "tasks"), [("closed", 47), ("open", 40)], ids=["closed", "open"])
def test_autoscaling_counts_no_task_behind_an_open_circuit(state: str, tasks: int, tmp_path: Path) -> None:
    (trigger,) = WRITTEN["components/autoscaling/scaled-object.yaml:ScaledObject"]["spec"]["triggers"]
    given = {
        'countersign_task_queue_backlog{task_queue="countersign",kind="workflow",worker="1"}': "40x5",
        'countersign_task_queue_backlog{task_queue="countersign",kind="workflow",worker="2"}': "40x5",
        'countersign_task_queue_backlog{task_queue="turbo",kind="activity",provider="turbodocx"}': "7x5",
        f'countersign_circuit_state{{provider="turbodocx",state="{state}"}}': "1x5",
    }
    rules = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": series, "values": value} for series, value in given.items()],
                "promql_expr_test": [
                    {
                        "expr": trigger["metadata"]["query"],
                        "eval_time": "2m",
                        "exp_samples": [{"labels": "{}", "value": tasks}],
                    }
                ],
            }
        ],
    }
    path = tmp_path / "scaling.test.yml"
    path.write_text(yaml.safe_dump(rules))
    command = [tool("promtool", "prometheus"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class _Pods:
    """Runs the containers' commands with their variables, secrets and probes, without an engine.

    Args:
        folder: Stands for the secrets' volumes.
        changed: Settings that the cluster would have otherwise.
    """

    def __init__(self, folder: Path, changed: Mapping[str, str]) -> None:
        self._folder = folder
        self._changed = changed
        self.ports = {
            str(port["containerPort"]): str(free_port())
            for name in DEPLOYMENTS
            for port in _container(name)["ports"]
        }

    def _here(self, text: str) -> str:
        moved = text.replace("/run/secrets/", f"{self._folder}/").replace("0.0.0.0", "127.0.0.1")
        return re.sub(rf"\b({'|'.join(self.ports)})\b", lambda found: self.ports[found[1]], moved)

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a container."""
        own = {entry["name"]: self._here(entry["value"]) for entry in _container(name)["env"]}
        return {"PATH": os.environ["PATH"]} | _settings() | own | dict(self._changed)

    def part(self, name: str) -> Part:
        """The container as a process, ready when its readiness probe passes."""
        container = _container(name)
        environment = self.environment(name)
        _, *arguments = [
            re.sub(r"\$\((\w+)\)", lambda found: environment[found[1]], self._here(word))
            for word in container["command"]
        ]
        ports = {port["name"]: self.ports[str(port["containerPort"])] for port in container["ports"]}
        for folder in _secrets(name):
            (self._folder / folder.removeprefix("/run/secrets/")).mkdir(exist_ok=True)
        probe = container["readinessProbe"].get("httpGet")
        ready = responds(f"http://127.0.0.1:{ports[probe['port']]}{probe['path']}") if probe else _prints_url
        return Part(name, [sys.executable, *arguments], ready, environment, ROOT)

    def is_alive(self, name: str) -> bool:
        """Run the liveness probe."""
        container = _container(name)
        ports = {port["name"]: self.ports[str(port["containerPort"])] for port in container["ports"]}
        probe = container["livenessProbe"]["httpGet"]
        return responds(f"http://127.0.0.1:{ports[probe['port']]}{probe['path']}")("")


def _prints_url(output: str) -> bool:
    return "listening on" in output


@pytest.mark.heavy
async def test_every_command_variable_and_probe_works_and_an_agreement_completes(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "account").mkdir()
    (secrets / "account/TURBODOCX_API_KEY").write_text(API_KEY)
    async with outside(tmp_path) as there:
        pods = _Pods(secrets, there.settings(tmp_path))
        url = f"http://127.0.0.1:{pods.ports['8080']}/webhooks/turbodocx"
        environment = pods.environment("worker")
        set_up_webhook(url, environment | {"COUNTERSIGN_SECRETS_DIR": str(secrets / "account")})
        (secrets / "webhooks").mkdir()
        (secrets / "account/TURBODOCX_WEBHOOK_SECRET").rename(secrets / "webhooks/TURBODOCX_WEBHOOK_SECRET")
        (secrets / "codec").mkdir()
        (secrets / "codec/COUNTERSIGN_CODEC_TOKEN").write_text("a-token-of-at-least-32-characters")
        (secrets / "codec/COUNTERSIGN_ENCRYPTION_KEYS").write_text(
            "one:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
        )
        for name in ("receiver", "worker", "api", "codec-server"):
            await there.supervisor.start(pods.part(name))
        for name in ("receiver", "worker", "api"):
            assert pods.is_alive(name)
        client = await connect(environment={"TEMPORAL_ADDRESS": there.temporal})
        result = await run_to_its_end(client, there.sandbox)
        token = make_token(pods.environment("worker") | {"COUNTERSIGN_SECRETS_DIR": str(secrets / "account")})
        await check_api(f"http://127.0.0.1:{pods.ports['8090']}", token, result)
    assert (result.outcome, result.resolved_by) == (Outcome.COMPLETED, "webhook")
