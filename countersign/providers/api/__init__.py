"""Call an API of your own as Countersign calls its providers; see docs/how-to/your-own-api.md.

    settings.py      `ApiSettings`: address and key, from every place that settings come from
    client.py        `open_api`, `ApiClient`: one request, made once, behind a circuit
    worker.py        `api_worker`: a queue of its own, with slots by the circuit and a rate limit
    error_bodies.py  the code and the words of an error response

The activity raises what `countersign/providers/errors.py` lists; the worker turns it into the failures of
`countersign/providers/retry_table.py`. `countersign/workflow/policy.py` has the time-outs and retries.
"""

from countersign.providers.api.client import ApiClient, open_api
from countersign.providers.api.settings import ApiSettings
from countersign.providers.api.worker import api_worker, build_options
from countersign.providers.calls import Call

__all__ = ["ApiClient", "ApiSettings", "Call", "api_worker", "build_options", "open_api"]
