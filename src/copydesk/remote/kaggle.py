"""Files of datasets on Kaggle, through its HTTP interface.

Not through kagglehub, which asks without a time-out, does not try again, cannot go on with a broken download in a
folder that is chosen for it, and may write to standard output. Credentials are found in the places it looks in.
"""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path
from urllib.parse import quote, urlencode

from copydesk.errors import SourceError
from copydesk.remote.web import WebFile

ACCESS = (
    "If it is private or asks for consent, accept its terms on kaggle.com, and set KAGGLE_API_TOKEN, or "
    "KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into ~/.kaggle (kaggle.com, Settings, API)."
)
_ENDPOINT = "https://www.kaggle.com"
_ADDRESS = re.compile(r"kaggle://(?:datasets/)?([\w-]+)/([\w-]+)/(.+?)(?:@(\d+))?")


def open_kaggle(url: str) -> WebFile:
    """Return the file at `kaggle://OWNER/NAME/FILE[@VERSION]`; without a version Kaggle is asked for the newest.

    Raises `SourceError` for another form, or credentials that cannot be read.
    """
    parts = _ADDRESS.fullmatch(url)
    if parts is None:
        raise SourceError(f"'{url}' names no file on Kaggle. Expected kaggle://OWNER/NAME/FILE or …/FILE@VERSION.")
    owner, name, file, version = parts.groups()
    base = f"{os.environ.get('KAGGLE_API_ENDPOINT') or _ENDPOINT}/api/v1/datasets"
    authorisation = _authorisation()
    headers = {"Authorization": authorisation} if authorisation else {}
    if version is None:
        version = _newest(WebFile(f"{base}/view/{owner}/{name}", headers).content(), url)
    query = urlencode({"dataset_version_number": version, "file_name": file}, quote_via=quote)
    return WebFile(f"{base}/download/{owner}/{name}?{query}", headers, f"version {version}", Path(file).name)


def _newest(answer: bytes, url: str) -> str:
    try:
        return str(int(json.loads(answer)["currentVersionNumber"]))
    except (ValueError, KeyError, TypeError):
        raise SourceError(f"'{url}': Kaggle did not say which version is the newest. Name one: …@VERSION.") from None


def _authorisation() -> str | None:
    """Return the header's value from a token, or a user's name and key; None if there are none."""
    folder = Path(os.environ.get("KAGGLE_CONFIG_DIR") or Path.home() / ".kaggle")
    token = os.environ.get("KAGGLE_API_TOKEN")
    files = [Path(token)] if token and Path(token).is_file() else []
    files += [] if token else [folder / "access_token", folder / "access_token.txt"]
    token = next((text for file in files if file.is_file() and (text := file.read_text("utf-8").strip())), token)
    if token:
        return f"Bearer {token}"
    name, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    file = folder / "kaggle.json"
    if not (name and key) and file.is_file():
        name, key = _stored(file)
    return f"Basic {base64.b64encode(f'{name}:{key}'.encode()).decode()}" if name and key else None


def _stored(file: Path) -> tuple[str, str]:
    try:
        found = json.loads(file.read_text("utf-8"))
        return str(found["username"]), str(found["key"])
    except (OSError, ValueError, KeyError, TypeError):
        raise SourceError(
            f'\'{file}\' does not hold Kaggle\'s credentials. Expected {{"username": …, "key": …}}, as kaggle.com '
            "gives it out (Settings, API)."
        ) from None
