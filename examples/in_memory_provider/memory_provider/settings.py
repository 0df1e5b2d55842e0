"""The settings of an account: `MEMORY_BASE_URL`, `MEMORY_API_KEY`."""

from typing import ClassVar

from pydantic import Field

from countersign.settings.account import AccountSettings, Credential


class MemorySettings(AccountSettings):
    """An account of the provider in memory: `MEMORY_...`."""

    prefix: ClassVar[str] = "MEMORY_"
    live_host: ClassVar[str] = "memory.example.com"

    base_url: str = Field(default="http://localhost", description="Not called: the documents are in memory.")
    api_key: Credential = Field(description="Any key.")
