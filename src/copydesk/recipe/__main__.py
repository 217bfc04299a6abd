"""`python -m copydesk.recipe`: the JSON Schema."""

import json
import sys

from copydesk.recipe import json_schema

sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
