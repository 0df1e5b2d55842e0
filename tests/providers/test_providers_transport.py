"""What the transport promises whatever is asked: ids, one key in one place, no leaks, no way round TLS."""

import dataclasses
import json
import logging
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from countersign.observability.metrics import PROVIDER_CALL_SECONDS, PROVIDER_CALLS
from countersign.providers.calls import Call, Limits
from countersign.providers.errors import KeyReplacedError, NotSentError, UnauthorizedError
from countersign.providers.transport import Transport
from countersign.providers.transport.transport import RequestBuilder
from countersign.providers.turbodocx.client import TurboDocxClient
from countersign.providers.turbodocx.error_bodies import explain
from tests.providers.provider_calls import error_of, read, write
from tests.providers.provider_edge import KEY, PREPARED, STATUS, FixedKey, client, edge, response


class TestIds:
    async def test_a_call_carries_key_and_organisation(self) -> None:
        async with edge(response(200, STATUS)) as server, client(server.base_url) as provider:
            await read(provider)
        assert server.received[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.received[0].headers["x-rapiddocx-org-id"] == "an-org"

    async def test_a_call_in_an_activity_is_named_by_it(self) -> None:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            ActivityEnvironment.default_info(),
            workflow_id="agreement-x-1",
            activity_id="3",
            attempt=2,
            start_to_close_timeout=timedelta(seconds=1),
        )
        async with edge(response(200, PREPARED)) as server, client(server.base_url) as provider:
            await environment.run(write, provider)
        assert server.received[0].headers["x-request-id"] == "agreement-x-1.3.2"
        assert server.received[0].headers["idempotency-key"] == "x-1-abc123-send-1"

    async def test_calls_elsewhere_have_ids_of_their_own(self) -> None:
        async with edge(response(200, STATUS)) as server, client(server.base_url) as provider:
            await read(provider)
            await read(provider)
        assert len({request.headers["x-request-id"] for request in server.received}) == 2

    async def test_a_read_has_no_idempotency_key(self) -> None:
        async with edge(response(200, STATUS)) as server, client(server.base_url) as provider:
            await read(provider)
        assert "idempotency-key" not in server.received[0].headers

    async def test_a_write_that_no_one_named_is_named_by_its_request(self) -> None:
        reply = response(200, {"data": {"secret": "whsec_x"}})
        async with edge(reply) as server, client(server.base_url) as provider:
            await provider.webhooks.create(urls=["https://x.example"], events=["signature.document.sent"])
        headers = server.received[0].headers
        assert headers["idempotency-key"] == headers["x-request-id"]

    async def test_a_call_says_who_asks_and_what_we_read(self) -> None:
        async with edge(response(200, STATUS)) as server, client(server.base_url) as provider:
            await read(provider)
        names = ("host", "user-agent", "accept", "accept-encoding")
        reported = [server.received[0].headers[name] for name in names]
        assert reported == [f"127.0.0.1:{server.port}", "countersign", "application/json", "gzip"]

    async def test_ids_in_paths_are_quoted(self) -> None:
        async with edge(response(200, STATUS)) as server, client(server.base_url) as provider:
            await provider.document_status("../void?x=1#y")
        assert server.received[0].target == "/turbosign/documents/..%2Fvoid%3Fx%3D1%23y/status"

    async def test_a_base_url_may_have_a_path_and_a_call_a_query(self) -> None:
        async with (
            edge(response(200, {"data": {"results": []}})) as server,
            client(f"{server.base_url}/gate/") as provider,
        ):
            await provider.list_templates("Ende & gut/ä", limit=7)
        assert server.received[0].target == "/gate/template-item?limit=7&query=Ende+%26+gut%2F%C3%A4"

    @pytest.mark.parametrize(
        ("base_url", "host", "target"),
        [
            ("https://api.example", "api.example", b"/p/a%2F%C3%A4?q=1+2"),
            ("https://api.example:443/", "api.example", b"/p/a%2F%C3%A4?q=1+2"),
            ("https://api.example:8443", "api.example:8443", b"/p/a%2F%C3%A4?q=1+2"),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443", b"/p/a%2F%C3%A4?q=1+2"),
            ("https://bücher.example", "xn--bcher-kva.example", b"/p/a%2F%C3%A4?q=1+2"),
            ("https://api.example/a%3Fb", "api.example", b"/a%3Fb/p/a%2F%C3%A4?q=1+2"),
            ("https://api.example/gäste haus", "api.example", b"/g%C3%A4ste%20haus/p/a%2F%C3%A4?q=1+2"),
        ],
    )
    def test_an_address_is_asked_as_it_is_written_with_a_proxy_and_without(
        self, base_url: str, host: str, target: bytes
    ) -> None:
        call = Call(operation="x", path="/p/{id}", ids={"id": "a/ä"}, query={"q": "1 2"})
        direct, proxied = (
            RequestBuilder(base_url.rstrip("/"), Limits(), proxied=item).call(call, "id", {})
            for item in (False, True)
        )
        assert direct.headers["Host"] == proxied.headers["Host"] == host
        assert direct.extensions["target"] == proxied.url.raw_path == target
        assert "target" not in proxied.extensions

    def test_every_phase_has_a_limit_of_its_own_unless_the_whole_ends_first(self) -> None:
        limits = Limits(connect=1, read=90, write=30, pool=2, read_total=60, write_total=120)
        requests = RequestBuilder("https://api.example", limits, proxied=False)
        reading, writing = (Call(operation="x", method=method, path="/p") for method in ("GET", "POST"))
        phases = [requests.call(item, "id", {}).extensions["timeout"] for item in (reading, writing)]
        phases.append(requests.file("https://files.example/x").extensions["timeout"])
        whole = {"connect": 1, "read": 90, "write": 30, "pool": 2}
        assert phases == [whole | {"read": None}, whole, whole]


class RotatedKey(FixedKey):
    """Credentials that turn out to have been replaced."""

    async def renew(self, refused: Mapping[str, str]) -> bool:
        await super().renew(refused)
        return True


class TestRefusedKeys:
    """P15: the secret is read again, once; what was sent with the old key is told apart."""

    async def test_a_401_has_the_key_looked_up_again(self) -> None:
        key = FixedKey()
        async with edge(response(401)) as server:
            transport = Transport(server.base_url, provider="x", credentials=key, explain=explain)
            async with TurboDocxClient(transport) as provider:
                assert type(await error_of(write, provider)) is UnauthorizedError
            assert len(server.received) == key.renewals == 1

    @pytest.mark.parametrize("status", [402, 403])
    async def test_no_other_refusal_has_it_looked_up(self, status: int) -> None:
        key = FixedKey()
        async with edge(response(status)) as server:
            transport = Transport(server.base_url, provider="x", credentials=key, explain=explain)
            async with TurboDocxClient(transport) as provider:
                assert type(await error_of(write, provider)) is UnauthorizedError
        assert key.renewals == 0

    async def test_a_401_with_a_replaced_key_was_not_sent(self) -> None:
        async with edge(response(401)) as server:
            transport = Transport(server.base_url, provider="x", credentials=RotatedKey(), explain=explain)
            async with TurboDocxClient(transport) as provider:
                assert type(await error_of(write, provider)) is KeyReplacedError
            assert len(server.received) == 1, "the next try is Temporal's"


class TestRedirects:
    """P14: not followed, so nothing is carried on to another host."""

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_nothing_reaches_the_other_host(self, status: int) -> None:
        async with edge(response(200, PREPARED)) as other:
            reply = response(status, headers={"Location": f"{other.base_url}/x"})
            async with edge(reply) as server, client(server.base_url) as provider:
                await error_of(read, provider)
                await error_of(write, provider)
            assert not other.received


class TestLogs:
    async def test_a_call_is_one_line_without_secrets_or_people(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with edge(response(200, PREPARED)) as server, client(server.base_url) as provider:
            await write(provider)
        lines = [record for record in caplog.records if record.name == "countersign.providers"]
        assert len(lines) == 1
        line = vars(lines[0])
        expected = {
            "operation": "prepare_for_signing",
            "method": "POST",
            "path": "/turbosign/single/prepare-for-signing",
            "status": 200,
            "outcome": "ok",
            "host": "127.0.0.1",
        }
        assert expected.items() <= line.items()
        assert line["request_id"] == server.received[0].headers["x-request-id"]
        everything = json.dumps([vars(record) for record in caplog.records], default=repr)
        assert "prepare_for_signing" in everything, "or the search below finds nothing in nothing"
        assert KEY not in everything
        assert "canary.example" not in everything
        assert {record.name for record in caplog.records} & {"httpx", "httpcore"} == set()

    async def test_ids_of_documents_stay_out_of_the_path(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        async with edge(response(404, {"message": "no"})) as server, client(server.base_url) as provider:
            await error_of(read, provider)
        line = vars(caplog.records[-1])
        assert line["path"] == "/turbosign/documents/{id}/status"
        assert line["outcome"] == "Rejected"

    async def test_calls_are_counted_by_what_they_ended_in(self) -> None:
        counter = PROVIDER_CALLS.labels("turbodocx", "prepare_for_signing", "OutcomeUnknown")
        before = counter._value.get()
        taken = PROVIDER_CALL_SECONDS.labels("turbodocx", "prepare_for_signing")._sum
        took = taken.get()
        async with edge(response(500)) as server, client(server.base_url) as provider:
            await error_of(write, provider)
        assert counter._value.get() == before + 1
        assert taken.get() > took

    async def test_anyone_makes_records_is_reported_their_logger_and_place(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Record factories and filters of others rely on both."""
        caplog.set_level(logging.INFO)
        made: list[tuple[object, ...]] = []
        make = logging.getLogRecordFactory()

        def note(*args: Any, **kwargs: Any) -> logging.LogRecord:
            made.append(args[:2])
            return make(*args, **kwargs)

        monkeypatch.setattr(logging, "_logRecordFactory", note)
        async with edge(response(200, STATUS)) as server, client(server.base_url) as provider:
            await read(provider)
        (record,) = (
            one_record for one_record in caplog.records if one_record.name == "countersign.providers"
        )
        assert ("countersign.providers", logging.INFO) in made
        assert (record.module, record.funcName) == ("transport", "call")

    async def test_a_level_above_it_leaves_the_line_out(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, "countersign.providers")
        caplog.handler.setLevel(logging.NOTSET)  # so that the logger decides and not who listens
        async with edge(response(200, STATUS)) as server, client(server.base_url) as provider:
            await read(provider)
        assert not caplog.records

    def test_no_repr_shows_a_key(self) -> None:
        transport = Transport("https://x.example", provider="x", credentials=FixedKey(), explain=explain)
        assert KEY not in repr(transport) + repr(TurboDocxClient(transport))


class TestSafety:
    @pytest.mark.parametrize(
        "base_url", ["http://api.example", "ftp://api.example", "http://127.0.0.2", "//x", ""]
    )
    def test_plain_http_is_for_this_machine_only(self, base_url: str) -> None:
        with pytest.raises(ValueError, match="must be https"):
            client(base_url)

    @pytest.mark.parametrize(
        ("name", "mode"),
        [(False, ssl.CERT_REQUIRED), (False, ssl.CERT_NONE), (True, ssl.CERT_OPTIONAL)],
    )
    def test_unverified_tls_is_refused(self, *, name: bool, mode: ssl.VerifyMode) -> None:
        careless = ssl.create_default_context()
        careless.check_hostname = name
        careless.verify_mode = mode
        with pytest.raises(ValueError, match="must verify"):
            client("https://api.example", tls=careless)

    async def test_the_environments_proxy_is_no_business_of_ours(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """P26: a proxy is used where the settings say so, and never for this machine."""
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
        for trust_env in (False, True):
            async with edge(response(200, STATUS)) as server:
                transport = Transport(
                    server.base_url,
                    provider="x",
                    credentials=FixedKey(),
                    explain=explain,
                    trust_env=trust_env,
                )
                async with TurboDocxClient(transport) as provider:
                    await read(provider)
                assert len(server.received) == 1

    @pytest.mark.parametrize(
        ("trust_env", "no_proxy", "asked"), [(True, "", 1), (True, "*", 0), (False, "", 0)]
    )
    @pytest.mark.parametrize("written", ["http://127.0.0.1:{}", "127.0.0.1:{}"])
    @pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
    async def test_a_proxy_is_asked_only_where_the_settings_say_so(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        variable: str,
        written: str,
        trust_env: bool,
        no_proxy: str,
        asked: int,
    ) -> None:
        """P26: what a proxy refuses to connect was never sent."""
        async with edge(response(502)) as proxy:
            monkeypatch.setenv(variable, written.format(proxy.port))
            monkeypatch.setenv("NO_PROXY", no_proxy)
            async with client("https://countersign.invalid", trust_env=trust_env) as provider:
                for operation in (read, write):
                    assert type(await error_of(operation, provider)) is NotSentError
            assert [request.method for request in proxy.received] == ["CONNECT"] * asked * 2
            assert KEY not in str(proxy.received)
