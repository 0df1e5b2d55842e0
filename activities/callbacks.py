"""Call back: resolve the target, sign the event, post it once."""

import logging
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from temporalio import activity

from activities.requests import Attempted, DeliveryRequest
from countersign.agreements.addresses import CallbackUrl, read_callback_url
from countersign.agreements.callbacks import CALLER, CallbackEvent, CallbackLinks, CallbackType
from countersign.callbacks.sender import CallbackSender, NoResponseError, NotConnectedError
from countersign.callbacks.signing import read_secrets, sign
from countersign.observability.metrics import CALLBACKS
from countersign.providers import retry_after
from countersign.settings.callbacks import CallbackSettings
from countersign.storage import StorageError, Store

_log = logging.getLogger(__name__)

LONGEST_RETRY_AFTER: Final = 86_400.0
"""Seconds of a Retry-After that are obeyed at most."""


class CallbackActivities:
    """The step that calls back.

    Args:
        sender: Posts.
        store: Holds the secrets of agreements that have their own.
        settings: Whom to call, and the other secrets.
    """

    def __init__(self, sender: CallbackSender, store: Store, settings: CallbackSettings) -> None:
        self._sender = sender
        self._store = store
        self._settings = settings

    @activity.defn
    async def call_back(self, request: DeliveryRequest) -> Attempted:
        """Post an event to one target, once; the workflow decides on another attempt."""
        attempted = await self._attempt(request)
        CALLBACKS.labels(target=request.target, outcome=_outcome(attempted)).inc()
        _log.info(
            "callback",
            extra={
                "reference": request.event.data.reference,
                "event": request.event.type,
                "event_id": request.event_id,
                "target": request.target,
                "status": attempted.status,
                "problem": attempted.refused or attempted.problem,
            },
        )
        return attempted

    async def _attempt(self, request: DeliveryRequest) -> Attempted:
        try:
            url, secret = await self._target(request)
            secrets = read_secrets(secret)
        except ValueError as error:
            return Attempted(refused=str(error))
        except StorageError as error:
            return Attempted(problem=str(error))
        body = self._with_links(request.event).model_dump_json(exclude_none=True).encode()
        headers = sign(secrets, event_id=request.event_id, timestamp=int(time.time()), body=body)
        try:
            response = await self._sender.post(url, headers, body)
        except NotConnectedError as error:
            return Attempted(problem=str(error))
        except NoResponseError as error:
            return Attempted(problem=str(error), may_have_arrived=True)
        wait = None
        if response.retry_after is not None:
            wait = retry_after.seconds_to_wait(
                response.retry_after, now=datetime.now(UTC), limit=LONGEST_RETRY_AFTER
            )
        return Attempted(status=response.status, retry_after=wait)

    async def _target(self, request: DeliveryRequest) -> tuple[CallbackUrl, str]:
        """Find the URL and the secret of a target.

        Raises:
            ValueError: The settings do not have it or do not allow it, or its URL is none.
            StorageError: The store failed.
        """
        if request.target != CALLER:
            subscription = self._settings.subscribers().get(request.target)
            if subscription is None:
                raise ValueError("COUNTERSIGN_CALLBACKS_SUBSCRIPTIONS no longer names it")
            url = read_callback_url(subscription.url)
            if problem := self._settings.reach_problem(url.host, plain=url.is_plain):
                raise ValueError(problem)
            return url, subscription.secret
        url = read_callback_url(request.url or "")
        has_secret = request.secret_key is not None
        if problem := self._settings.problem(url.host, url.port, plain=url.is_plain, has_secret=has_secret):
            raise ValueError(problem)
        if request.secret_key is not None:
            return url, (await self._store.read(request.secret_key)).decode("ascii", errors="replace")
        if self._settings.secret is None:
            raise RuntimeError("the settings' check has let it pass without a secret")
        return url, self._settings.secret.get_secret_value()

    def _with_links(self, event: CallbackEvent) -> CallbackEvent:
        if self._settings.api_url is None:
            return event
        agreement = f"{self._settings.api_url.rstrip('/')}/v1/agreements/{event.data.reference}"
        links = CallbackLinks(agreement=agreement)
        if event.type is CallbackType.COMPLETED:
            links = CallbackLinks(
                agreement=agreement,
                document=f"{agreement}/signed.pdf",
                audit_trail=f"{agreement}/audit-trail",
                timeline=f"{agreement}/timeline",
            )
        return event.model_copy(update={"data": event.data.model_copy(update={"links": links})})


def _outcome(attempted: Attempted) -> str:
    """Return what an attempt ended in, as the metrics count it."""
    if attempted.refused is not None:
        return "refused"
    if attempted.status is None:
        return "unreachable"
    is_success = HTTPStatus.OK <= attempted.status < HTTPStatus.MULTIPLE_CHOICES
    return "delivered" if is_success else "rejected"
