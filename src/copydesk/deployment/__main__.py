"""`python -m copydesk.deployment`: the JSON Schema of the settings."""

import json
import sys

from copydesk.deployment import json_schema

sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
