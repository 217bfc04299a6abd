"""Ids of requests and predictions: unique, which is enough here; a job has one that cannot be guessed (`jobs.py`)."""

from __future__ import annotations

import random
import secrets

_DRAWN = random.Random(secrets.randbits(128))
"""Seeded once: asking the system for each id would cost more than a linear model's answer."""


def new_id() -> str:
    """Return 16 hexadecimal digits."""
    return f"{_DRAWN.getrandbits(64):016x}"
