"""Files in S3 and Google Cloud Storage buckets. Endpoints and credentials come from the environment alone."""

from __future__ import annotations

import re

from copydesk.remote.base import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, StoredFile, module

S3_ACCESS = "If the bucket is not public, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
GS_ACCESS = (
    "If the bucket is not public, set GOOGLE_APPLICATION_CREDENTIALS to a key file, or run "
    "`gcloud auth application-default login`."
)


def open_s3(url: str) -> StoredFile:
    """Return the file at `s3://BUCKET/KEY` or `…?versionId=ID`; without credentials anonymously, as public ones are."""
    s3fs = module("s3fs", url, "cloud")
    filesystem = s3fs.S3FileSystem(
        anon=module("botocore.session", url, "cloud").Session().get_credentials() is None,
        version_aware="?versionId=" in url,
        config_kwargs={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": READ_TIMEOUT_S,
            "retries": {"total_max_attempts": 1},
        },
        skip_instance_cache=True,
    )
    filesystem.retries = 1  # ours are enough
    return StoredFile(url, filesystem, url)


def open_gs(url: str) -> StoredFile:
    """Return the file at `gs://BUCKET/KEY` or `…#GENERATION`; gcsfs goes on anonymously without credentials.

    Its plain client: the other one first asks what kind of bucket it is, with a permission that few have.
    """
    gcsfs = module("gcsfs", url, "cloud").core
    versioned = re.search(r"#\d+$", url) is not None
    return StoredFile(url, gcsfs.GCSFileSystem(version_aware=versioned, skip_instance_cache=True), url)
