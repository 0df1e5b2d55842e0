"""Which callers may deliver: the connection decides, and headers of trusted proxies only."""

from ipaddress import ip_network

import pytest
from temporalio.client import Client

from countersign.webhooks.callers import Callers
from tests.webhooks.webhook_deliveries import PATH, encode, envelope, sign
from tests.webhooks.webhook_receivers import calling, receiver_in_process

PROVIDER, PROXY, STRANGER = "203.0.113.7", "10.0.0.2", "198.51.100.9"
ALLOWED = (ip_network("203.0.113.0/24"), ip_network("2001:db8::/32"))
PROXIES = (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("peer", "forwarded", "admitted"),
    [
        (PROVIDER, [], True),
        (STRANGER, [], False),
        ("2001:db8::1", [], True),
        (f"::ffff:{PROVIDER}", [], True),
        (f"::ffff:{STRANGER}", [], False),
        (None, [], False),
        ("", [], False),
        ("not an address", [], False),
        # A header of an untrusted caller is ignored
        (STRANGER, [PROVIDER], False),
        (STRANGER, [f"{PROVIDER}, {PROXY}"], False),
        # A trusted proxy names its peer; earlier entries are not trusted
        (PROXY, [PROVIDER], True),
        (PROXY, [STRANGER], False),
        (PROXY, [f"{PROVIDER}, {STRANGER}"], False),
        (PROXY, [f"{STRANGER}, {PROVIDER}"], True),
        (PROXY, [f"{PROVIDER},{PROXY}"], True),
        (PROXY, [STRANGER, PROVIDER], True),
        # Proxies add ports, brackets and quotes, and leave members empty
        (PROXY, [f"{PROVIDER}:44321"], True),
        (PROXY, [f'"{PROVIDER}:44321"'], True),
        (PROXY, ["[2001:db8::1]:443"], True),
        (PROXY, ["[2001:db8::1]"], True),
        (PROXY, ['"[2001:db8::1]:443"'], True),
        (PROXY, [f"{PROVIDER}, ,"], True),
        (PROXY, [f"{STRANGER}:80"], False),
        (PROXY, [f"[{PROVIDER}"], False),
        (PROXY, [PROVIDER, STRANGER], False),
        (PROXY, [], False),
        (PROXY, [""], False),
        (PROXY, [", ,"], False),
        (PROXY, ["unknown"], False),
        (PROXY, [f"{PROVIDER}, <script>"], False),
        (PROXY, [",".join([PROXY] * 5000)], False),
    ],
)
def test_the_nearest_address_that_is_not_our_proxy_decides(
    peer: str | None, forwarded: list[str], *, admitted: bool
) -> None:
    assert Callers(ALLOWED, PROXIES).admits(peer, forwarded) is admitted


def test_without_a_list_anybody_may_try() -> None:
    assert Callers().admits(None, ["<script>"])


async def test_a_header_does_not_change_the_caller(
    receiving: Client, caplog: pytest.LogCaptureFixture
) -> None:
    body = encode(envelope("Somebody else's"))
    limited = {"COUNTERSIGN_WEBHOOKS_ALLOWED_CALLERS": "203.0.113.0/24"}
    async with receiver_in_process(receiving, **limited) as receiver, calling(receiver) as http:
        for forwarded in (PROVIDER, f"{PROVIDER}, 127.0.0.1", "ÿþ<script>\tlevel=error".encode("latin-1")):
            headers = {**sign(body), "X-Forwarded-For": forwarded, "Forwarded": f"for={PROVIDER}"}
            response = await http.post(PATH, content=body, headers=headers)  # type: ignore[arg-type]
            assert (response.status_code, response.text) == (403, "refused\n")
        assert (await http.get("/healthz")).status_code == 200

    (refused,) = (record for record in caplog.records if "webhook" in record.name)
    assert refused.caller == "127.0.0.1"  # type: ignore[attr-defined]
    assert "script" not in str(vars(refused))


async def test_behind_a_proxy_of_ours_the_provider_gets_in(receiving: Client) -> None:
    body = encode(envelope("Somebody else's"))
    async with (
        receiver_in_process(
            receiving,
            COUNTERSIGN_WEBHOOKS_ALLOWED_CALLERS="203.0.113.0/24",
            COUNTERSIGN_WEBHOOKS_TRUSTED_PROXIES="127.0.0.1",
        ) as receiver,
        calling(receiver) as http,
    ):
        for forwarded, status in ((PROVIDER, 200), (STRANGER, 403), (f"{PROVIDER}, {STRANGER}", 403)):
            headers = {**sign(body), "X-Forwarded-For": forwarded}
            response = await http.post(PATH, content=body, headers=headers)
            assert response.status_code == status
