"""The usual ways to put a fine-tuned encoder behind HTTP, as servers that `bench/serving.py` starts and measures.

    python bench/serving_peers.py pipeline|nothing --bundle DIR --port N

  pipeline    FastAPI with a sync handler around transformers.pipeline(): what most tutorials end with
  nothing     answers at once without reading anything: the most that the load itself can reach

LitServe is in `serving_litserve.py`. All take {"text": "..."} at /classify and answer {"label": ..., "score": ...}.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import TextClassificationPipeline

_NOTHING = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"label": "no"}'


def main() -> None:
    """Parse, serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=("pipeline", "nothing"))
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("transformers.pipelines.base").setLevel(logging.CRITICAL)  # it lists every architecture but ours
    if options.peer == "nothing":
        asyncio.run(_serve_nothing(options.port))
    else:
        _serve_pipeline(options.bundle, options.port)


def pipeline_of(bundle: Path, batch: int) -> TextClassificationPipeline:
    """Return transformers' pipeline with a bundle's encoder."""
    from copydesk.bundle import open_bundle
    from copydesk.models.encoder import EncoderModel
    from scoring import text_pipeline

    opened = open_bundle(bundle)
    return text_pipeline(EncoderModel.load(opened.layout.model), batch, opened.settings.labels)


def _serve_pipeline(bundle: Path, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Body(BaseModel):
        text: str

    app, pipeline = FastAPI(), pipeline_of(bundle, 1)

    def classify(body: Body) -> dict[str, Any]:
        return pipeline(body.text)[0]  # type: ignore[no-any-return]

    classify.__annotations__["body"] = Body
    app.post("/classify")(classify)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


class _Nothing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(_NOTHING)  # type: ignore[attr-defined]


async def _serve_nothing(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Nothing, "127.0.0.1", port, backlog=4_096)
    await server.serve_forever()


if __name__ == "__main__":
    main()
