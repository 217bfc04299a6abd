"""From an address to the store behind it."""

from __future__ import annotations

from pathlib import Path

from copydesk.errors import UsageError
from copydesk.serve.jobs import JobRules, Jobs

SQLITE = "sqlite:///"
REDIS = ("redis://", "rediss://", "redis+socket://")


def open_jobs(url: str, rules: JobRules | None = None) -> Jobs:
    """Open the job store at `sqlite:///PATH` or `redis://HOST:PORT/N`.

    Raises `UsageError` for another address, `MissingExtra` without Celery, `JobsUnavailable` for a file that cannot be
    used. Redis need not be there yet.
    """
    if url.startswith(SQLITE):
        from copydesk.serve.sqlite_jobs import SqliteJobs

        return SqliteJobs(sqlite_path(url), rules)
    if url.startswith(REDIS):
        from copydesk.serve.celery_jobs import CeleryJobs

        return CeleryJobs(url, rules)
    raise UsageError(f"{url!r} is no job store. Expected: sqlite:///PATH (one machine) or redis://HOST:PORT/0 (many).")


def sqlite_path(url: str) -> Path:
    """Return the file of `sqlite:///PATH`; an absolute path makes that four slashes. Raises `UsageError`."""
    path = url.removeprefix(SQLITE)
    if not path:
        raise UsageError(f"{url!r} names no file. Expected: sqlite:///jobs.db, or sqlite:////absolute/jobs.db.")
    return Path(path)
