"""Write the references that follow from the code: `python docs/make_reference.py [FOLDER]` (`make reference`).

recipe-reference.md comes from the recipe's pydantic models, http-reference.md from the server's OpenAPI description,
recipe.schema.json is the schema for editors, images/architecture.svg is drawn.
`tests/test_site.py` says when they are old.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from architecture_picture import architecture_picture
from http_reference import http_reference, openapi
from recipe_reference import recipe_reference

from copydesk.recipe import json_schema


def references() -> dict[str, str]:
    """Return every generated file's text by its name."""
    schema = json_schema()
    return {
        "recipe-reference.md": recipe_reference(schema),
        "recipe.schema.json": json.dumps(schema, indent=2) + "\n",
        "http-reference.md": http_reference(openapi()),
        "images/architecture.svg": architecture_picture(),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, text in references().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
