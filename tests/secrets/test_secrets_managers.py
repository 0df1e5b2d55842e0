"""Secret managers over HTTP, through their vendors' clients: what is read; if not, one sentence says why."""

import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from countersign.configuration import read
from countersign.extras import needs_extra
from countersign.secrets import managers, vault
from countersign.settings import SettingsError, load, webhook_settings
from tests.aws import aws
from tests.secrets import secret_managers as servers
from tests.secrets.secret_managers import Service

pytestmark = pytest.mark.thorough

SECRETS = webhook_settings("turbodocx")
NAME = "TURBODOCX_WEBHOOK_SECRET"
SECRET = "whsec_kept-in-a-manager-0123"
CANARIES = ("jane", "header-secret", "our-secret-id", "hvs.", SECRET, "AKIA")


@dataclass
class Manager:
    """A secret manager that `COUNTERSIGN_SECRETS` names."""

    label: str
    service: Service
    put: Callable[[str, str], None]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def _trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with aws() as address:
        yield address


@pytest.fixture
def aws_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0123456789ABCDEF")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret-access-key")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def azure(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    with servers.serving(servers.azure) as identity, servers.serving(servers.azure, tls) as service:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{identity.port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header-secret")
        monkeypatch.setenv("COUNTERSIGN_SECRETS", f"azure:https://127.0.0.1:{service.port}")
        put = lambda name, value: service.values.update({name.replace("_", "-"): value})  # noqa: E731 - a switch
        yield Manager("Azure Key Vault", service, put)


@pytest.fixture
def gcp(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Manager]:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "countersign@our-project.example",
        "token_uri": "http://127.0.0.1:1/never-asked",
        "private_key": key.decode(),
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    with servers.serving(servers.gcp, tls) as service:
        monkeypatch.setenv("COUNTERSIGN_SECRETS", f"gcp:our-project@127.0.0.1:{service.port}")
        yield Manager(
            "Google Secret Manager", service, lambda name, value: service.values.update({name: value})
        )


@pytest.fixture
def hashicorp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    with servers.serving(servers.vault) as service:
        monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{service.port}")
        monkeypatch.setenv("VAULT_TOKEN", "hvs.good")
        monkeypatch.setenv("COUNTERSIGN_SECRETS", "vault:secret/apps/countersign")
        yield Manager("HashiCorp Vault", service, lambda name, value: service.values.update({name: value}))


@pytest.fixture(params=["azure", "gcp", "hashicorp"])
def manager(request: pytest.FixtureRequest) -> Manager:
    found: Manager = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managers, "DEADLINE_SECONDS", 0.5)


def secret() -> str:
    return load(SECRETS)[0].webhook_secret.get_secret_value()


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        load(SECRETS)
    message = str(caught.value)
    assert len(message.splitlines()) == 2, "one clear sentence, and nothing is called missing besides"
    assert not any(canary in message for canary in CANARIES)
    return message.splitlines()[1].strip()


def test_it_gives_what_is_set_nowhere_else(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    manager.put(NAME, SECRET)
    assert secret() == SECRET
    assert read(SECRETS).where(NAME) == manager.label
    monkeypatch.setenv(NAME, "whsec_from-the-environment")
    assert secret() == "whsec_from-the-environment"
    assert read(SECRETS).where(NAME) == "environment"


def made_in(place: str) -> str:
    return f"whsec_from-{place}".replace(" ", "-")


def put(place: str, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a secret in a place that says which one it is."""
    value = made_in(place)
    match place:
        case "environment":
            monkeypatch.setenv(NAME, value)
        case "a file":
            Path("file").write_text(value)
            monkeypatch.setenv(f"{NAME}_FILE", "file")
        case ".env":
            Path(".env").write_text(f"{NAME}={value}\n")
            Path(".env").chmod(0o600)
        case "a folder":
            Path("folder").mkdir()
            Path("folder", NAME).write_text(value)
            monkeypatch.setenv("COUNTERSIGN_SECRETS_DIR", "folder")
        case _:
            manager.put(NAME, value)


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        *combinations(("environment", ".env", "a folder", "a manager"), 2),
        *(("a file", item) for item in (".env", "a folder", "a manager")),
    ],
)
def test_of_two_places_the_stronger_wins(
    hashicorp: Manager, monkeypatch: pytest.MonkeyPatch, stronger: str, weaker: str
) -> None:
    for place in (weaker, stronger):
        put(place, hashicorp, monkeypatch)
    assert secret() == made_in(stronger)


def test_a_secret_that_it_lacks_is_not_set(manager: Manager) -> None:
    manager.put("SOMETHING_ELSE", "x")
    assert refusal() == f"{NAME} is not set"


def test_a_wrong_permission_is_one_sentence(manager: Manager) -> None:
    manager.put(NAME, SECRET)
    manager.service.status = 403
    assert refusal().startswith(f"{manager.label} does not let us read")


def test_a_failing_service_is_one_sentence(manager: Manager) -> None:
    manager.service.status = 500
    assert refusal().startswith(f"{manager.label} rejected the request")


@pytest.mark.usefixtures("impatient")
def test_a_service_that_hangs_is_waited_for_no_longer_than_the_deadline(manager: Manager) -> None:
    manager.service.hang = True
    assert refusal() == f"{manager.label} did not respond within 0.5 s; check its address and the network"


def test_a_service_that_is_not_there_is_one_sentence(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    address = {
        "Azure Key Vault": "azure:https://127.0.0.1:1",
        "Google Secret Manager": "gcp:our-project@127.0.0.1:1",
    }
    if manager.label in address:
        monkeypatch.setenv("COUNTERSIGN_SECRETS", address[manager.label])
    assert refusal().startswith(f"{manager.label} could not be reached")


class TestAws:
    @pytest.fixture(autouse=True)
    def _identity(self, aws_identity: None) -> None: ...

    @pytest.fixture
    def bucket(self, moto: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        from boto3.session import Session  # noqa: PLC0415 - heavy, and only here

        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", moto)
        client = Session(region_name="eu-central-1").client("secretsmanager")
        name = f"countersign/{id(monkeypatch)}"
        monkeypatch.setenv("COUNTERSIGN_SECRETS", f"aws:{name}")

        def put(text: str) -> None:
            client.create_secret(Name=name, SecretString=text)

        return put

    def test_it_gives_what_is_set_nowhere_else(self, bucket: Callable[[str], None]) -> None:
        bucket(json.dumps({NAME: SECRET, "OTHER": 1}))
        assert secret() == SECRET
        assert read(SECRETS).where(NAME) == "AWS Secrets Manager"

    def test_a_missing_secret_is_one_sentence(self, bucket: Callable[[str], None]) -> None:
        del bucket
        assert refusal().startswith("AWS Secrets Manager has no secret countersign/")

    @pytest.mark.parametrize("text", ["no json", "[1]", '"text"'])
    def test_a_secret_of_another_form_is_one_sentence(self, bucket: Callable[[str], None], text: str) -> None:
        bucket(text)
        assert refusal().startswith("AWS Secrets Manager has no JSON object in countersign/")

    @pytest.mark.parametrize(
        ("status", "sentence"),
        [(400, "does not let us read app; allow"), (500, "rejected the request for app (Internal")],
    )
    def test_a_refusal_is_one_sentence(
        self, monkeypatch: pytest.MonkeyPatch, status: int, sentence: str
    ) -> None:
        with servers.serving(servers.aws) as service:
            service.status = status
            monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{service.port}")
            monkeypatch.setenv("COUNTERSIGN_SECRETS", "aws:app")
            assert refusal().startswith(f"AWS Secrets Manager {sentence}")

    @pytest.mark.usefixtures("impatient")
    def test_a_service_that_hangs_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with servers.serving(servers.aws) as service:
            service.hang = True
            monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{service.port}")
            monkeypatch.setenv("COUNTERSIGN_SECRETS", "aws:app")
            assert refusal().startswith("AWS Secrets Manager did not respond within 0.5 s")

    def test_a_service_that_is_not_there_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
        monkeypatch.setenv("COUNTERSIGN_SECRETS", "aws:app")
        assert refusal().startswith("AWS Secrets Manager could not be reached (EndpointConnectionError)")

    def test_it_needs_a_region_and_an_identity(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("COUNTERSIGN_SECRETS", "aws:app")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        assert refusal() == (
            "AWS Secrets Manager needs credentials and finds none; set AWS_PROFILE or give the machine a role"
        )
        monkeypatch.delenv("AWS_REGION")
        assert refusal() == "AWS Secrets Manager needs a region; set AWS_REGION"


class TestVault:
    @pytest.fixture(autouse=True)
    def _tokenless(self, hashicorp: Manager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        hashicorp.put(NAME, SECRET)
        monkeypatch.delenv("VAULT_TOKEN")
        monkeypatch.setenv("HOME", str(tmp_path))  # hvac looks for ~/.vault-token

    def test_by_app_role(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "secret-id").write_text("our-secret-id\n")
        monkeypatch.setenv("VAULT_ROLE_ID", "our-role")
        monkeypatch.setenv("VAULT_SECRET_ID_FILE", str(tmp_path / "secret-id"))
        assert secret() == SECRET

    def test_by_kubernetes(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "jwt").write_text("service-account-jwt")
        monkeypatch.setattr(vault, "SERVICE_ACCOUNT", tmp_path / "jwt")
        monkeypatch.setenv("VAULT_ROLE", "countersign")
        assert secret() == SECRET

    def test_by_token_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("hvs.good\n")
        monkeypatch.setenv("VAULT_TOKEN_FILE", str(tmp_path / "token"))
        assert secret() == SECRET

    def test_a_wrong_secret_id_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VAULT_ROLE_ID", "our-role")
        monkeypatch.setenv("VAULT_SECRET_ID", "wrong")
        assert refusal().startswith("HashiCorp Vault does not let us in; check VAULT_ROLE_ID")

    @pytest.mark.parametrize(
        ("variable", "value", "sentence"),
        [
            (
                "VAULT_TOKEN",
                "hvs.wrong",
                "does not let us read secret/apps/countersign; check our token and its policy",
            ),
            ("VAULT_TOKEN_FILE", "/nowhere", "needs /nowhere, which cannot be read"),
            ("VAULT_ROLE", "countersign", "needs /var/run/secrets/kubernetes.io/serviceaccount/token, which"),
            ("VAULT_ADDR", "http://vault.example", "needs VAULT_ADDR=https://host"),
            ("COUNTERSIGN_SECRETS", "vault:secret", "is named by mount and path"),
            ("UNRELATED", "", "needs VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID, or VAULT_ROLE"),
        ],
    )
    def test_what_cannot_work_is_one_sentence(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        assert refusal().startswith(f"HashiCorp Vault {sentence}")

    def test_another_path_has_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VAULT_TOKEN", "hvs.good")
        monkeypatch.setenv("COUNTERSIGN_SECRETS", "vault:secret/other")
        assert refusal().startswith("HashiCorp Vault has no secret secret/other")

    def test_a_sealed_vault_is_one_sentence(
        self, hashicorp: Manager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VAULT_TOKEN", "hvs.good")
        hashicorp.service.status = 503
        assert refusal() == "HashiCorp Vault is sealed or in maintenance (HTTP 503)"


@pytest.mark.parametrize("address", ["s3:bucket", "aws:", "aws", "https://vault"])
def test_an_address_of_no_manager_is_one_sentence(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("COUNTERSIGN_SECRETS", address)
    assert refusal().startswith("COUNTERSIGN_SECRETS must be aws:<secret id>")


def test_a_missing_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = managers.Manager("AWS Secrets Manager", "countersign.secrets.not_installed", "aws")
    monkeypatch.setitem(managers.MANAGERS, "aws", lacking)
    monkeypatch.setenv("COUNTERSIGN_SECRETS", "aws:app")
    assert refusal() == f"AWS Secrets Manager {needs_extra('aws')}"


def test_who_is_given_everything_asks_no_one(hashicorp: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, SECRET)
    monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET_PREVIOUS", "whsec_old-0123456789")
    monkeypatch.setenv("TURBODOCX_WEBHOOK_SECRET_PREVIOUS_UNTIL", "2026-01-31T12:00:00Z")
    load(SECRETS)
    assert hashicorp.service.asked == []
