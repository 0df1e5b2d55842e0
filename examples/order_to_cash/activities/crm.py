"""The CRM: its settings, its client, its activities."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel
from temporalio import activity

from countersign.providers.api import ApiClient, ApiSettings, Call


class CrmSettings(ApiSettings):
    """`CRM_BASE_URL`, `CRM_API_KEY`."""

    prefix: ClassVar[str] = "CRM_"
    live_host: ClassVar[str] = "api.crm.example"


class Deal(BaseModel):
    """How far an order has come."""

    order: str
    stage: str


@dataclass(frozen=True)
class Crm:
    """Activities that call the CRM."""

    api: ApiClient

    @activity.defn
    async def quote(self, order: str) -> str:
        """Read the quoted amount."""
        call = Call(operation="quote", path="/quotes/{order}", ids={"order": order})
        return await self.api.request(call, lambda body: str(body["amount"]))

    @activity.defn
    async def update_deal(self, deal: Deal) -> None:
        """Write how far the order has come."""
        key, body = f"deal-{deal.order}", deal.model_dump()
        call = Call(operation="update_deal", method="POST", path="/deals", body=body, idempotency_key=key)
        await self.api.request(call, lambda body: body["id"])
