"""The card that a model shows on the Hugging Face Hub: the bundle's own, under metadata that the Hub understands.

The metadata are tags, the metrics as a model index, and what people added to the card by hand, such as its licence:
Copydesk does not know a model's licence, so it keeps the one that stands there.
"""

from __future__ import annotations

import math
from typing import Any

import yaml

from copydesk.bundle import Bundle
from copydesk.errors import RegistryError
from copydesk.registry.base import Facts
from copydesk.registry.hub_refusals import client

TAG = "copydesk"
"""What every model of Copydesk's is tagged with, and found by."""
_BY_HAND = ("license", "license_name", "license_link", "language", "datasets", "base_model")


def hub_card(bundle: Bundle, facts: Facts, before: str | None) -> str:
    """Return the card as Markdown with metadata; `before` is the one that stands on the Hub now, if there is one."""
    hub = client()
    card = bundle.layout.card
    text = card.read_text("utf-8") if card.is_file() else f"# {bundle.manifest.get('name', 'A text classifier')}\n"
    metadata = hub.ModelCardData(
        library_name="copydesk",
        pipeline_tag="text-classification",
        tags=[TAG, "text-classification", bundle.settings.task],
        model_name=str(bundle.manifest.get("name", "")),
        eval_results=_results(bundle, facts) or None,
        **_kept(before),
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n{text}"


def _results(bundle: Bundle, facts: Facts) -> list[Any]:
    """Return the metrics as entries of a model index; the Hub wants a data set's name for each."""
    hub = client()
    name = str(bundle.manifest.get("name", "texts"))
    return [
        hub.EvalResult(
            task_type="text-classification",
            dataset_type=name,
            dataset_name=f"{name}, test part ({facts.data[:12]})",
            metric_type=metric,
            metric_value=round(value, 6),
            metric_name=metric,
        )
        for metric, value in sorted(facts.metrics.items())
        if math.isfinite(value)
    ]


def _kept(before: str | None) -> dict[str, Any]:
    if before is None:
        return {}
    try:
        metadata = client().RepoCard(before, ignore_metadata_errors=True).data.to_dict()
    except (ValueError, yaml.YAMLError) as error:
        raise RegistryError(
            f"The metadata of the README.md on the Hub cannot be read: {str(error).splitlines()[0]}. Mend them there: "
            "they may hold the licence, which is kept from version to version."
        ) from None
    return {key: metadata[key] for key in _BY_HAND if key in metadata}
