"""Which URLs may be called back, as far as it is known without the network."""

import ipaddress

import pytest
from pydantic import SecretStr, ValidationError

from countersign.agreements.addresses import (
    is_in,
    is_public,
    may_be_public,
    read_callback_url,
    read_private_networks,
)
from countersign.settings.callbacks import CallbackSettings
from tests.callbacks.callback_receiver import OTHER_SECRET, SECRET

PRIVATE = (
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.9.10",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:7f00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
)
PUBLIC = (
    "93.184.215.14",
    "2606:4700::1111",
    "::ffff:93.184.215.14",
    "64:ff9b::5db8:d70e",
    "2002:5db8:d70e::1",
)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_no_ones_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_on_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "017700000001",
        "intranet",
        "a.local",
        "x.internal",
    ],
)
def test_a_host_that_some_resolver_reads_as_a_private_address_is_not_public(host: str) -> None:
    assert not may_be_public(host)


def test_a_url_is_taken_apart_and_its_query_kept() -> None:
    url = read_callback_url("https://Hooks.Example.com:8443/a%2Fb?signature=x%2F+y&&z")
    assert url == ("https", "hooks.example.com", 8443, "Hooks.Example.com:8443", "/a%2Fb?signature=x%2F+y&&z")
    assert read_callback_url("https://hooks.example.com").target == "/"
    assert read_callback_url("https://hooks.example.com?x").target == "/?x"
    assert read_callback_url("https://[2606:4700::1111]/x").host == "2606:4700::1111"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://hooks.example.com/x", "must be https://host/path"),
        ("hooks.example.com/x", "must be https://host/path"),
        ("https:///x", "must be https://host/path"),
        ("https://hooks.example.com:0/", "must be https://host/path"),
        ("https://hooks.example.com:99999/", "is not a URL"),
        ("https://[::1/", "is not a URL"),
        ("https://user:pass@hooks.example.com/", "must not contain a user name or a password"),
        ("https://hooks.example.com\\@127.0.0.1/", "must not contain a user name or a password"),
        ("https://@hooks.example.com/", "must not contain a user name or a password"),
        ("https://evil.com\\.example.com/", "must be https://host/path"),
        ("https://hooks.example.com/#x", "must end before the #"),
        ("https://hooks.example.com/a b", "must be a URL of at most 2048 printable ASCII"),
        ("https://hooks.example.com/\r\nX: y", "must be a URL of at most 2048 printable ASCII"),
        ("https://höoks.example.com/", "must be a URL of at most 2048 printable ASCII"),
        ("https://hooks.example.com/" + "a" * 2048, "must be a URL of at most 2048 printable ASCII"),
    ],
)
def test_a_url_that_is_never_called_is_refused_without_being_quoted(url: str, why: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_callback_url(url)
    assert str(refused.value).startswith(why)
    assert "example.com" not in str(refused.value)


ALLOWED = CallbackSettings(
    hosts=("hooks.example.com", ".example.org", "ci.example.com:8443"), secret=SecretStr(SECRET)
)


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("hooks.example.com", 443, True),
        ("hooks.example.com", 8443, False),
        ("evil-hooks.example.com", 443, False),
        ("example.com", 443, False),
        ("a.example.org", 443, True),
        ("a.b.example.org", 443, True),
        ("example.org", 443, False),
        ("badexample.org", 443, False),
        ("ci.example.com", 8443, True),
        ("ci.example.com", 443, False),
        ("127.0.0.1", 443, False),
        ("localhost", 80, False),
    ],
)
def test_the_settings_name_hosts_and_ports(host: str, port: int, *, allowed: bool) -> None:
    assert (ALLOWED.problem(host, port, plain=False, has_secret=False) is None) is allowed


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example.com/x", "must begin with https://"),
        ("https://10.0.0.1/", "must name a public host"),
        ("https://2130706433/", "must name a public host"),
        ("https://0x7f.1/", "must name a public host"),
        ("https://[::ffff:127.0.0.1]/", "must name a public host"),
        ("https://[::ffff:7f00:1]/", "must name a public host"),
        ("https://intranet/", "must name a public host"),
        ("https://printer.local/", "must name a public host"),
    ],
)
def test_the_private_parts_of_the_network_are_out_of_reach(url: str, why: str) -> None:
    read = read_callback_url(url)
    everything = CallbackSettings(hosts=(read.host, f"http://{read.host}"), secret=SecretStr(SECRET))
    problem = everything.problem(read.host, read.port, plain=read.is_plain, has_secret=True)
    assert problem is not None
    assert problem.startswith(why)
    assert problem.endswith("set COUNTERSIGN_CALLBACKS_PRIVATE_NETWORKS")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://n8n:5678/x", True),
        ("http://n8n/x", False),
        ("https://n8n:5678/x", False),
        ("https://n8n.internal/x", True),
        ("http://n8n.internal/x", False),
        ("http://plain.example.com/x", True),
        ("https://plain.example.com/x", False),
        ("https://10.1.2.3/x", True),
        ("https://printer.internal/x", False),
        ("http://127.0.0.1/x", False),
    ],
)
def test_hosts_in_private_networks_are_named_with_their_scheme(url: str, *, allowed: bool) -> None:
    settings = CallbackSettings(
        hosts="http://n8n:5678,n8n.internal,http://plain.example.com,10.1.2.3",
        private_networks="10.1.2.0/24, fd12::/64",
        secret=SecretStr(SECRET),
    )
    read = read_callback_url(url)
    problem = settings.problem(read.host, read.port, plain=read.is_plain, has_secret=False)
    assert (problem is None) is allowed


@pytest.mark.parametrize(
    "text",
    [
        "10.1.2.0/24,0.0.0.0/0",
        "::/0",
        "10.0.0.0/7",
        "127.0.0.0/8",
        "169.254.169.254/32",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "fe80::/10",
        "::1/128",
        "::ffff:10.0.0.0/104",
        "93.184.215.0/24",
        "10.1.2.3/24",
        "n8n",
    ],
)
def test_only_private_networks_can_be_opened(text: str) -> None:
    with pytest.raises(
        ValidationError, match=r"must be networks such as 10\.1\.2\.0/24, within 10\.0\.0\.0/8"
    ):
        CallbackSettings(private_networks=text)


def test_an_open_network_leads_to_no_metadata_and_no_other_network() -> None:
    networks = read_private_networks("10.1.2.0/24,fc00::/7")
    inside = ("10.1.2.3", "fd12::1")
    outside = ("10.1.3.1", "127.0.0.1", "::ffff:10.1.2.3", "fd00:ec2::254", "fd20:ce::254", "169.254.169.254")
    assert all(is_in(ipaddress.ip_address(address), networks) for address in inside)
    assert not any(is_in(ipaddress.ip_address(address), networks) for address in outside)


def test_by_default_no_one_may_be_called() -> None:
    problem = CallbackSettings(secret=SecretStr(SECRET)).problem(
        "hooks.example.com", 443, plain=False, has_secret=False
    )
    assert problem == ("hooks.example.com may not be called back; COUNTERSIGN_CALLBACKS_HOSTS must name it")
    unsigned = CallbackSettings(hosts=("hooks.example.com",))
    assert unsigned.problem("hooks.example.com", 443, plain=False, has_secret=True) is None
    assert "no secret signs it" in (
        unsigned.problem("hooks.example.com", 443, plain=False, has_secret=False) or ""
    )


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"hosts": "https://hooks.example.com"}, "must be hosts such as"),
        ({"hosts": "*"}, "must be hosts such as"),
        ({"secret": SecretStr("whsec_c2hvcnQ=")}, "the secret must be whsec_ and 24 to 64 bytes"),
        ({"secret": SecretStr("no-prefix")}, "the secret must be whsec_ and 24 to 64 bytes"),
        ({"environment": "production", "allow_loopback": True}, "must be false in production"),
        ({"subscriptions": SecretStr("crm https://crm.example.com")}, "must be <name> <URL> <secret>"),
        (
            {"subscriptions": SecretStr(f"crm http://crm.example.com {SECRET}")},
            "crm: must begin with https://",
        ),
        (
            {"subscriptions": SecretStr(f"callback_url https://crm.example.com {SECRET}")},
            "name of subscription 1",
        ),
        (
            {
                "subscriptions": SecretStr(
                    f"a https://x.example.com {SECRET}\na https://y.example.com {SECRET}"
                )
            },
            "names a subscription twice",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        CallbackSettings.model_validate(settings)


def test_several_subscriptions_and_secrets_are_read() -> None:
    text = (
        f"crm https://crm.example.com/x {SECRET},{OTHER_SECRET}\n  audit https://audit.example.com {SECRET}\n"
    )
    found = CallbackSettings(subscriptions=SecretStr(text)).subscribers()
    assert list(found) == ["crm", "audit"]
    assert found["crm"].secret == f"{SECRET},{OTHER_SECRET}"
    assert SECRET not in repr(found)
    assert "crm.example.com" not in repr(found)
