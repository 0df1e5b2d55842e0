"""The API process: bad bytes, an absent Temporal, its stop, its log and metrics, browsers."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from countersign.free_ports import free_port
from devstack.stack import Stack
from tests.api.api_caller import Caller, a_draft, problem
from tests.api.api_process import ROOT, running_api
from tests.webhooks.webhook_wire import exchange, request, status

pytestmark = pytest.mark.thorough

BASE = "/v1/agreements"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (b"", JSON, 400),
        (b"[]", JSON, 400),
        (b"{", JSON, 400),
        (b"\xff\xfe{}", JSON, 400),
        (b'{"a": NaN}', JSON, 400),
        (b'{"a": 1, "a": 2}', JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (b'{"a": ' + b"9" * 5000 + b"}", JSON, 400),
        (b'{"\\ud800": "\\udfff", "title": "\\ud800"}', JSON, 422),
        (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {}, 415),
        (b"{}", JSON | {"Content-Encoding": "gzip"}, 415),
        (b"--x\r\n", {"Content-Type": "multipart/form-data"}, 400),
        (b"hello", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
        (
            b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n{}\r\n--x--\r\n',
            {"Content-Type": "multipart/form-data; boundary=x"},
            400,
        ),
    ],
)
async def test_bad_bytes_are_a_problem_and_no_defect(
    api: Caller, content: bytes, headers: dict[str, str], code: int
) -> None:
    response = await api("POST", BASE, content=content, headers=headers)
    assert response.status_code == code, response.text
    assert problem(response) not in {"defect", "unavailable"}


async def test_unknown_paths_and_methods_are_problems(api: Caller) -> None:
    assert problem(await api.get("/v1/nothing")) == "unknown-path"
    response = await api("DELETE", f"{BASE}/abc")
    assert (response.status_code, problem(response)) == (405, "wrong-method")
    assert response.headers["allow"] == "GET"


async def test_a_request_id_comes_back_and_is_logged(api: Caller, stack: Stack) -> None:
    given = await api.get(BASE, headers={"X-Request-Id": "n8n-execution.77"})
    assert given.headers["x-request-id"] == "n8n-execution.77"
    forged = await api.get(BASE, headers={"X-Request-Id": 'a"b c'})
    assert forged.headers["x-request-id"] != 'a"b c'
    lines = [
        json.loads(line) for line in stack.supervisor.log("api").read_text().splitlines() if line[0] == "{"
    ]
    (line,) = [line for line in lines if line.get("request_id") == "n8n-execution.77"]
    assert (line["route"], line["status"], line["caller"]) == (f"GET {BASE}", 200, "local")


async def test_without_temporal_a_start_is_a_clean_503_that_names_its_reference(
    stack: Stack, tmp_path: Path, reference: str
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with running_api(stack, tmp_path, TEMPORAL_ADDRESS=nowhere) as process:
        assert (await process.call.get("/readyz")).status_code == 503
        for draft in (a_draft(reference), a_draft()):
            response = await process.call.start(draft)
            assert (response.status_code, problem(response)) == (503, "unavailable"), response.text
            assert int(response.headers["retry-after"]) > 0
            assert response.json()["reference"] == draft.get("reference", response.json()["reference"])
        for path in (BASE, f"{BASE}/{reference}"):
            response = await process.call.get(path)
            assert (response.status_code, problem(response)) == (503, "unavailable")
    assert "Traceback" not in process.log
    assert f"cannot reach Temporal at {nowhere}" in process.log


async def test_a_stop_ends_long_polls_with_a_response(stack: Stack, tmp_path: Path, reference: str) -> None:
    async with running_api(stack, tmp_path) as process:
        await process.call.start(a_draft(reference))
        await process.call.until(reference, "awaiting_signatures")
        path = f"{BASE}/{reference}"
        tag = (await process.call.get(path)).headers["etag"]
        poll = asyncio.create_task(
            process.call.get(path, params={"wait": 60}, headers={"If-None-Match": tag})
        )
        await asyncio.sleep(0.5)
        assert not poll.done()
        await process.supervisor.stop("api")
        assert (await poll).status_code == 304
    assert "Cancel" not in process.log


async def test_logs_and_metrics_hold_no_secret_and_no_person(
    stack: Stack, tmp_path: Path, reference: str
) -> None:
    port = free_port()
    settings = {"COUNTERSIGN_API_METRICS_PORT": str(port), "COUNTERSIGN_LOG_LEVEL": "DEBUG"}
    async with running_api(stack, tmp_path, **settings) as process:
        await process.call.start(a_draft(reference))
        await process.call.get(f"{BASE}/{reference}", params={"secret": "Lovelace"})
        await process.call.post(f"{BASE}/{reference}/void", {"reason": "Lovelace left"})
        table = ("Lovelace.csv", "reference,title\nLovelace,ada@example.com\n")
        await process.call("POST", "/v1/batches", data={"batch": "logged"}, files={"table": table})
        await process.call.with_token("cst_wrong").get(BASE)
        metrics = (await process.call.http.get(f"http://127.0.0.1:{port}/metrics")).text
    token = stack.api_token.read_text().strip()
    for text in (process.log, metrics):
        assert "Lovelace" not in text
        assert "ada@example.com" not in text
        assert token not in text
        assert token.rpartition("_")[2] not in text
    assert '"batch": "logged"' in process.log
    assert f'countersign_api_requests_total{{route="POST {BASE}",status="202"}} 1.0' in metrics
    assert 'countersign_api_refused_total{reason="unknown"} 1.0' in metrics
    assert f'countersign_api_request_seconds_count{{route="GET {BASE}/{{reference}}"}}' in metrics
    assert "temporal_request_latency_seconds" in metrics


async def test_browsers_of_named_origins_alone_may_call(api: Caller, stack: Stack, tmp_path: Path) -> None:
    asks = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    response = await api.with_token(None)("OPTIONS", BASE, headers=asks)
    assert "access-control-allow-origin" not in response.headers
    async with running_api(
        stack, tmp_path, COUNTERSIGN_API_ALLOWED_ORIGINS="https://app.example.com"
    ) as process:
        allowed = await process.call("OPTIONS", BASE, headers=asks)
        assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
        other = await process.call("OPTIONS", BASE, headers=asks | {"Origin": "https://evil.example.com"})
        assert "access-control-allow-origin" not in other.headers
        listed = await process.call.get(BASE, headers={"Origin": "https://app.example.com"})
        assert "Location" in listed.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("COUNTERSIGN_API_ALLOWED_ORIGINS", "*", "must be origins"),
        ("COUNTERSIGN_API_TOKENS", "/", "the file of tokens"),
    ],
)
def test_a_wrong_setting_is_one_sentence_at_the_start(
    stack: Stack, setting: str, value: str, sentence: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api", "--port", "0"],
        cwd=ROOT,
        env={**stack.env, setting: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_body_that_is_too_large_or_never_whole_is_no_defect(api: Caller, stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {api.token}", **JSON, "Content-Length": "18000000"}
    assert status(await exchange(stack.api_url, request(headers, path=BASE))) == 413
    short = request(headers | {"Content-Length": "1000"}, b'{"title": ', path=BASE)
    await exchange(stack.api_url, short, leave=True)
    assert (await api.get("/healthz")).status_code == 200
    assert "Traceback" not in stack.supervisor.log("api").read_text()
