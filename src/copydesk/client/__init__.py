"""A typed client of the HTTP API, sync and async: `Client` and `AsyncClient`, with retries where these are safe."""

from copydesk.client.asynchronous import AsyncClient
from copydesk.client.steps import Patience
from copydesk.client.sync import Client
from copydesk.client.values import Answer, Headline, Health, Limits, ServedModel

__all__ = ["Answer", "AsyncClient", "Client", "Headline", "Health", "Limits", "Patience", "ServedModel"]
