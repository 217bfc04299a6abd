"""Where the images run: `deploy.yaml` becomes manifests for Cloud Run, Vertex AI, Kubernetes, Ray and torchrun.

Pure up to the last step: settings in, files out. It talks to no cloud and holds no secret.
"""

from copydesk.deployment.load import json_schema, load_settings, parse_settings
from copydesk.deployment.render import TARGETS, Rendered, render, write
from copydesk.deployment.settings import Settings

__all__ = ["TARGETS", "Rendered", "Settings", "json_schema", "load_settings", "parse_settings", "render", "write"]
