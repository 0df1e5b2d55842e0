"""Apply scripted faults to API calls: before their work, after it, or with late work."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.core import fault_responses
from sandbox.core.capture import captured_messages, read_body
from sandbox.core.fault_responses import STAND_IN, RawResponse, spoiled
from sandbox.core.fault_rules import ApiFault
from sandbox.core.ledger import current_fault
from sandbox.core.provider import Provider

_FOREVER: Final = 86400.0
_PIECE: Final = b"\0" * 65536


class FaultMiddleware:
    """Applies API faults to the paths of the provider's API."""

    def __init__(self, app: ASGIApp, provider: Provider) -> None:
        self._app = app
        self._provider = provider
        self._faults = provider.sandbox.faults
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a call, with the fault that its rule chooses."""
        if scope["type"] != "http" or not self._provider.is_api(scope["path"]):
            await self._app(scope, receive, send)
            return
        fault = self._faults.for_call(scope["method"], scope["path"])
        if fault is None:
            await self._app(scope, receive, send)
            return
        current_fault.set(f"{fault.do} {fault.at}")
        if fault.do == "latency":
            await self._slow(fault, scope, receive, send)
        elif fault.do == "close":
            await self._app(scope, receive, send)
            asyncio.get_running_loop().call_later(fault.seconds or 0, scope["state"]["transport"].close)
        else:
            await self._break(fault, scope, receive)

    async def _slow(self, fault: ApiFault, scope: Scope, receive: Receive, send: Send) -> None:
        seconds = 1.0 if fault.seconds is None else fault.seconds
        body = await read_body(receive)
        if fault.at == "before":
            await self._faults.hold(seconds)
        response, messages = await self._do(scope, body)
        del response
        if fault.at == "after":
            await self._faults.hold(seconds)
        for message in messages:
            await send(message)

    async def _break(self, fault: ApiFault, scope: Scope, receive: Receive) -> None:
        body, response = await read_body(receive), STAND_IN
        if fault.at == "after":
            response, _ = await self._do(scope, body)
        elif fault.at == "late":
            task = asyncio.create_task(self._do_late(fault.commit_after, scope, body))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        await self._write(fault, response, scope["state"]["transport"], receive)

    async def _write(
        self, fault: ApiFault, response: RawResponse, transport: asyncio.Transport, receive: Receive
    ) -> None:
        """Write the faulty response, and wait until the connection is closed."""
        gone = asyncio.create_task(_disconnected(receive))
        match fault.do:
            case "drop":
                transport.abort()
            case "reset":
                fault_responses.reset(transport)
            case "hang":
                seconds = _FOREVER if fault.seconds is None else fault.seconds
                held = asyncio.create_task(self._faults.hold(seconds))
                await asyncio.wait([gone, held], return_when=asyncio.FIRST_COMPLETED)
                held.cancel()
                transport.abort()
            case "drip":
                await _drip(response, transport, gone, 0.5 if fault.seconds is None else fault.seconds)
            case "endless":
                await _endless(response, transport, gone, fault.size)
            case _:
                transport.write(fault_responses.raw(spoiled(fault, response, self._provider.fault_bodies)))
                transport.close()
        await gone

    async def _do(self, scope: Scope, body: bytes) -> tuple[RawResponse, list[Message]]:
        """Run a call and capture its response."""
        messages = await captured_messages(self._app, scope, body)
        start = messages[0]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        content = b"".join(message.get("body", b"") for message in messages[1:])
        return RawResponse(start["status"], headers, content), messages

    async def _do_late(self, seconds: float, scope: Scope, body: bytes) -> None:
        await asyncio.sleep(seconds)
        await self._do(scope, body)


async def _drip(
    response: RawResponse, transport: asyncio.Transport, gone: asyncio.Task[None], seconds: float
) -> None:
    """Write the body byte by byte."""
    content = fault_responses.raw(response)
    head = len(content) - len(response.body)
    transport.write(content[:head])
    for position in range(len(response.body)):
        await asyncio.wait([gone], timeout=seconds)
        if gone.done():
            return
        transport.write(response.body[position : position + 1])
    transport.close()


async def _endless(
    response: RawResponse, transport: asyncio.Transport, gone: asyncio.Task[None], size: int
) -> None:
    """Write the body and then zeros, in chunks."""
    transport.write(fault_responses.chunked_head(response) + fault_responses.chunk(response.body or b"\0"))
    for _ in range(size // len(_PIECE)):
        if gone.done():
            return
        transport.write(fault_responses.chunk(_PIECE))
        while transport.get_write_buffer_size() > len(_PIECE) * 4 and not gone.done():
            await asyncio.wait([gone], timeout=0.01)
    transport.write(b"0\r\n\r\n")
    transport.close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
