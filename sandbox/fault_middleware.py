"""Puts scripted faults between client and API: before the work, after it, or with the work done late."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import fault_answers
from sandbox.capture import answers_of, whole
from sandbox.fault_answers import STAND_IN, Answer, spoiled
from sandbox.fault_rules import ApiFault
from sandbox.faults import Faults
from sandbox.ledger import current_fault

_FOREVER: Final = 86400.0
_PIECE: Final = b"\0" * 65536


class FaultMiddleware:
    """Applies API faults. Control and pages are spared, download links are not."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a call pass, or go wrong."""
        if scope["type"] != "http" or not _is_api(scope["path"]):
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
        body = await whole(receive)
        if fault.at == "before":
            await asyncio.sleep(seconds)
        answer, messages = await self._do(scope, body)
        del answer
        if fault.at == "after":
            await asyncio.sleep(seconds)
        for message in messages:
            await send(message)

    async def _break(self, fault: ApiFault, scope: Scope, receive: Receive) -> None:
        body, answer = await whole(receive), STAND_IN
        if fault.at == "after":
            answer, _ = await self._do(scope, body)
        elif fault.at == "late":
            task = asyncio.create_task(self._do_late(fault.commit_after, scope, body))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        await _write(fault, answer, scope["state"]["transport"], receive)

    async def _do(self, scope: Scope, body: bytes) -> tuple[Answer, list[Message]]:
        """Have the work done, and catch the answer."""
        messages = await answers_of(self._app, scope, body)
        start = messages[0]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        content = b"".join(message.get("body", b"") for message in messages[1:])
        return Answer(start["status"], headers, content), messages

    async def _do_late(self, seconds: float, scope: Scope, body: bytes) -> None:
        await asyncio.sleep(seconds)
        await self._do(scope, body)


def _is_api(path: str) -> bool:
    return path.startswith("/_sandbox/storage/") or not (path == "/" or path.startswith("/_sandbox"))


async def _write(fault: ApiFault, answer: Answer, transport: asyncio.Transport, receive: Receive) -> None:
    """Give the wrong answer, and wait until the connection is gone."""
    gone = asyncio.create_task(_disconnected(receive))
    match fault.do:
        case "drop":
            transport.abort()
        case "reset":
            fault_answers.reset(transport)
        case "hang":
            await asyncio.wait([gone], timeout=_FOREVER if fault.seconds is None else fault.seconds)
            transport.abort()
        case "drip":
            await _drip(answer, transport, gone, 0.5 if fault.seconds is None else fault.seconds)
        case "endless":
            await _endless(answer, transport, gone, fault.size)
        case _:
            transport.write(fault_answers.raw(spoiled(fault, answer)))
            transport.close()
    await gone


async def _drip(
    answer: Answer, transport: asyncio.Transport, gone: asyncio.Task[None], seconds: float
) -> None:
    """Send the body byte by byte."""
    whole = fault_answers.raw(answer)
    head = len(whole) - len(answer.body)
    transport.write(whole[:head])
    for position in range(len(answer.body)):
        await asyncio.wait([gone], timeout=seconds)
        if gone.done():
            return
        transport.write(answer.body[position : position + 1])
    transport.close()


async def _endless(answer: Answer, transport: asyncio.Transport, gone: asyncio.Task[None], size: int) -> None:
    """Send the body and then zeros, without saying where it ends."""
    transport.write(fault_answers.chunked_head(answer) + fault_answers.chunk(answer.body or b"\0"))
    for _ in range(size // len(_PIECE)):
        if gone.done():
            return
        transport.write(fault_answers.chunk(_PIECE))
        while transport.get_write_buffer_size() > len(_PIECE) * 4 and not gone.done():
            await asyncio.wait([gone], timeout=0.01)
    transport.write(b"0\r\n\r\n")
    transport.close()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
