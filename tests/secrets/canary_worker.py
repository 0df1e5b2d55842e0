"""A worker whose code was written carelessly: it logs the headers and the body of every request.

With `CANARY_REDACTION=off` it also logs as if there were no redaction: what the search must find then.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import worker
from countersign import entry
from countersign.observability import logging as our_logging
from countersign.providers.transport.transport import RequestBuilder

_build = RequestBuilder.call


def careless(self: RequestBuilder, call: Any, correlation: str, credentials: Any) -> Any:
    request = _build(self, call, correlation, credentials)
    log = logging.getLogger("careless")
    log.debug("sending %s", dict(request.headers), extra={"form": dict(call.form or {}), "json": call.body})
    log.debug("the key is %s", credentials["Authorization"].removeprefix("Bearer "))
    return request


RequestBuilder.call = careless  # type: ignore[method-assign] # the carelessness
if os.environ.get("CANARY_REDACTION") == "off":
    our_logging.redact = lambda value, key=None: value  # type: ignore[attr-defined]  # noqa: ARG005 # off

if __name__ == "__main__":
    entry.leave(worker.main([]))
