"""What things may be called where they run: checked before a name reaches a manifest.

Each is what the service itself accepts, or less; a name that fits here is never refused after minutes of deploying.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Like:
    """A pattern that the whole text must fit, and what to call such a text."""

    pattern: str
    what: str

    def check(self, text: str) -> str:
        """Return the text. Raises `ValueError` if it is something else."""
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"{text[:100]!r} is no {self.what}")
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


_BUCKET = r"(?!goog)(?!\d+\.\d+\.\d+\.\d+(?:/|$))[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){1,61}[a-z0-9]"
_NO_DOTS = r"(?!\.{1,2}(?:/|$))"
_KEY = rf"{_NO_DOTS}[A-Za-z0-9._=@+-]+(?:/{_NO_DOTS}[A-Za-z0-9._=@+-]+)*/?"
_PATH = rf"{_NO_DOTS}[A-Za-z0-9._@+-]+(?:/{_NO_DOTS}[A-Za-z0-9._@+-]+)*/?"
_HOST = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?/)?"
_TAGGED = r"(?::(?!latest(?:@|$))[A-Za-z0-9_][A-Za-z0-9._-]{0,127})"
_DIGEST = r"(?:@sha256:[0-9a-f]{64})"

_LABEL_CHARS = 42
"""Short enough for `NAME-worker` on Cloud Run, which takes fewer than 50."""
Label = Annotated[
    str,
    Like(
        rf"[a-z](?:[a-z0-9-]{{0,{_LABEL_CHARS - 2}}}[a-z0-9])?",
        f"name: 1 to {_LABEL_CHARS} of a-z, 0-9 and '-', beginning with a letter and not ending with '-'",
    ),
]
Network = Annotated[
    str, Like(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", "network's name: up to 63 of a-z, 0-9 and '-', first a letter")
]
Namespace = Annotated[str, Like(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", "DNS label: up to 63 of a-z, 0-9 and '-'")]
Project = Annotated[str, Like(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "project id: 6 to 30 of a-z, 0-9 and '-'")]
Region = Annotated[str, Like(r"[a-z]+-[a-z]+\d{1,2}", "region such as europe-west1")]
Bucket = Annotated[str, Like(_BUCKET, "bucket's name: 3 to 63 of a-z, 0-9, '.', '_' and '-', without gs://")]
Address = Annotated[str, Like(rf"(?:gs|s3)://{_BUCKET}/{_KEY}", "address such as gs://BUCKET/path")]
Image = Annotated[
    str,
    Like(
        rf"{_HOST}[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?:{_TAGGED}{_DIGEST}?|{_DIGEST})",
        "image with a tag that stays what it is (not 'latest'), or a digest: REGISTRY/NAME:TAG or NAME@sha256:…",
    ),
]
ServiceAccount = Annotated[
    str,
    Like(
        r"[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z][a-z0-9-]{4,28}[a-z0-9]\.iam\.gserviceaccount\.com",
        "service account such as copydesk@PROJECT.iam.gserviceaccount.com",
    ),
]
Secret = Annotated[
    str,
    Like(
        r"[a-z0-9](?:[a-z0-9-]{0,251}[a-z0-9])?(?::(?:latest|\d{1,9}))?",
        "secret's name: a-z, 0-9 and '-', and, for Secret Manager, ':VERSION' if wanted",
    ),
]
Variable = Annotated[str, Like(r"[A-Za-z_][A-Za-z0-9_]*", "name of an environment variable")]
Quantity = Annotated[str, Like(r"[1-9]\d{0,5}(?:Mi|Gi|Ti)", "amount such as 512Mi or 10Gi")]
MachineType = Annotated[str, Like(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+", "machine type such as g2-standard-8")]
Word = Annotated[str, Like(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", "name")]
Folder = Annotated[str, Like(rf"/(?:{_PATH})?", "folder such as /opt/bundle, without spaces or '..'")]
Path = Annotated[str, Like(_PATH, "path within the volume, without spaces or '..'")]
_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
Cidr = Annotated[str, Like(rf"{_BYTE}(?:\.{_BYTE}){{3}}/(?:3[0-2]|[12]?\d)", "range of addresses such as 10.0.0.0/8")]


def label_of(name: str) -> str:
    """Return a `Label` that resembles a recipe's name, which may hold '.' and '_', begin with a digit, be longer."""
    plain = re.sub(r"[^a-z0-9]+", "-", name).strip("-")
    return (plain if plain[:1].isalpha() else f"model-{plain}")[:_LABEL_CHARS].rstrip("-")
