"""The prediction log as a place: a folder of Parquet files, or PostgreSQL; and the corrections that belong to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from copydesk.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    import polars as pl

    from copydesk.monitor.corrections import Line

LOG_ADDRESS = "COPYDESK_LOG"
"""The environment's variable that holds the address of the log."""
KEEP_DAYS = 30
POSTGRES = ("postgresql://", "postgres://")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PASSWORD = re.compile(r"(?<=:)[^:@/]*(?=@)|(?<=[?&]password=)[^&]*")


class Log(Protocol):
    """Where rows and corrections are kept."""

    def write(self, rows: pl.DataFrame) -> None:
        """Keep rows of `entry.SCHEMA`, all or none of them. Raises whatever stands in the way."""
        ...

    def prepare(self) -> None:
        """Make what is written into, where it is not there. Raises whatever stands in the way."""
        ...

    def tidy(self) -> None:
        """Put older rows together, and drop those that were kept long enough."""
        ...

    def read(self, since: datetime | None = None, until: datetime | None = None) -> pl.LazyFrame:
        """Return the rows from `since` on and before `until`, read when they are asked for. Raises `UsageError`."""
        ...

    def correct(self, lines: Sequence[Line]) -> None:
        """Keep corrections, as `corrections.corrections_of` takes them. Raises `CopydeskError`."""
        ...

    def corrections(self) -> pl.DataFrame:
        """Return the last correction of each id, as `corrections.SCHEMA` has it; none is no error."""
        ...

    def close(self) -> None:
        """Write no more."""
        ...


def open_log(address: str, *, keep_days: int | None = KEEP_DAYS) -> Log:
    """Open the log in a folder or at `postgresql://…`; neither need be there yet. Without `keep_days` all is kept.

    Raises `UsageError` for another address, `MissingExtra`.
    """
    try:
        from copydesk.monitor.log_files import LogFiles
    except ModuleNotFoundError as missing:
        raise MissingExtra("The prediction log", "monitor", missing.name or "polars") from None
    if address.startswith(POSTGRES):
        from copydesk.monitor.log_postgres import PostgresLog

        return PostgresLog(address, keep_days=keep_days)
    if _SCHEME.match(address):
        raise UsageError(
            f"{shown(address)!r} is no place for a log. Expected: a folder, or postgresql://HOST/DATABASE."
        )
    folder = Path(address)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"'{folder}' is a file; a prediction log is a folder. Choose another --log.")
    return LogFiles(folder, keep_days=keep_days)


def shown(address: str) -> str:
    """Return an address as it may be shown and logged: without the password."""
    return _PASSWORD.sub("***", address) if _SCHEME.match(address) else address
