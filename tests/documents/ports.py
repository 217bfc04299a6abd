"""The ports that the documents name. Each page has its own in their place, so that pages disturb nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping

PORTS = {
    "8000": "copydesk serve",
    "9464": "copydesk monitor watch",
    "8470": "copydesk review",
    "8080": "deploy/github/mlflow_dispatch.py, and gcloud's way to a service",
    "5000": "an MLflow server",
}
SERVERS = {"serve": "8000", "monitor watch": "9464", "review": "8470", "worker": ""}
"""What of Copydesk does not end by itself, and the port that it takes unless told; by it one knows that it is ready."""
_BEFORE = ("127.0.0.1:", "localhost:", "--port ", "mlflow_dispatch.py ")
_NAMED = re.compile(f"(?:{'|'.join(f'(?<={re.escape(before)})' for before in _BEFORE)})[0-9]+")


def ports_in(text: str) -> set[str]:
    """Return the ports on this machine that a text names."""
    return set(_NAMED.findall(text))


def with_ports(text: str, own: Mapping[str, str]) -> str:
    """Return a text with other ports. Raises `KeyError` for one that is not in `PORTS`."""
    return _NAMED.sub(lambda found: own[found[0]], text)
