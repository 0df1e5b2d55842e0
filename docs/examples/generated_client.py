"""Start an agreement and follow it to its end, with the client that openapi-python-client generates."""

import os
import sys

from countersign_http import AuthenticatedClient  # type: ignore[import-not-found]
from countersign_http.api.agreements import (  # type: ignore[import-not-found]
    get_agreement,
    start_agreement,
)
from countersign_http.models import (  # type: ignore[import-not-found]
    Agreement,
    NewAgreement,
    Signer,
    TemplateContent,
    TemplateContentVariables,
)

variables = TemplateContentVariables.from_dict({"CustomerName": "Example Ltd", "EffectiveDate": "2027-01-01"})
draft = NewAgreement(
    reference=sys.argv[1],
    title="Mutual NDA",
    source=TemplateContent(template_id="7e3a1c00-0000-4000-8000-000000000002", variables=variables),
    signers=[Signer(name="Ada Example", email="ada@example.com")],
)
with AuthenticatedClient(os.environ["API"], os.environ["TOKEN"], timeout=60) as client:
    seen = start_agreement.sync(client=client, body=draft)
    tag = ""
    while isinstance(seen, Agreement) and not seen.result and not seen.failure:
        print(seen.stage, flush=True)
        response = get_agreement.sync_detailed(draft.reference, client=client, wait=30, if_none_match=tag)
        tag = response.headers.get("etag", tag)
        seen = response.parsed or seen
if not isinstance(seen, Agreement):
    sys.exit(f"{seen.title} {seen.detail}")
print(seen.result.outcome if seen.result else seen.failure)
