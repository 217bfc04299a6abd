"""LitServe with dynamic batching around transformers.pipeline(); started by `bench/serving.py`.

    python bench/serving_litserve.py --bundle DIR --port N

A file of its own: LitServe starts its worker as a new process, which imports the class from here.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from litserve import LitAPI, LitServer

from serving_peers import pipeline_of

BATCH = 32
_WAIT_S = 0.005


class Pipeline(LitAPI):
    """Takes {"text": "..."} at /classify, as the other peers do."""

    def __init__(self, bundle: Path) -> None:
        super().__init__(max_batch_size=BATCH, batch_timeout=_WAIT_S, api_path="/classify")
        self.bundle = bundle

    def setup(self, device: str) -> None:
        """Load the model, in the worker."""
        self.pipeline = pipeline_of(self.bundle, BATCH)

    def decode_request(self, request: dict[str, str]) -> str:
        """Return the text."""
        return request["text"]

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        """Answer a batch."""
        return self.pipeline(texts)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Return the answer."""
        return output


def main() -> None:
    """Parse, serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    server = LitServer(Pipeline(options.bundle), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=options.port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
