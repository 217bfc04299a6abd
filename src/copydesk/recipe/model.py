"""What is trained, how, and where that is recorded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from copydesk.recipe.base import Auto, Section, as_list
from copydesk.recipe.source import SourceFile
from copydesk.types import Decision

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"

ModelKind = Literal["linear", "encoder", "cascade", "keywords"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class Distil(Section):
    """What a cascade's first stage learns from the second, besides the labels."""

    weight: float = Field(
        0.5, ge=0, le=1, description="How much the second stage's probabilities count against the labels; 0: nothing."
    )
    texts: Annotated[list[SourceFile], BeforeValidator(as_list)] = Field(
        [], description="Files of texts without labels; the second stage labels them for the first."
    )


class Model(Section):
    """What is trained."""

    kind: ModelKind = Field(
        "encoder",
        description="`linear`: from scratch; `encoder`: pretrained, fine-tuned; `cascade`: a linear model in front "
        "of an encoder; `keywords`: rules, no training.",
    )
    encoder: str = Field(DEFAULT_ENCODER, description="A folder, or the name of an encoder on the Hugging Face Hub.")
    revision: str | None = Field(None, description="The hub revision; the default encoder's is pinned.")
    max_tokens: int = Field(128, ge=8, le=8192, description="How many tokens the encoder reads at once.")
    long_texts: Literal["head", "head_tail", "windows"] = Field(
        "head", description="Of a longer text: its beginning, beginning and end, or windows with averaged outputs."
    )
    distil: Distil = Distil()
    keywords: str | None = Field(None, description="A keyword file: the kind `keywords`, and the fallback.")


class Decide(Section):
    """How scores become answers."""

    abstain_below: float = Field(0.0, ge=0, le=1, description="Say nothing if the best score is lower.")
    min_labels: int = Field(0, ge=0, le=1, description="1: the best label even if none reaches its threshold.")
    thresholds: Literal["macro_f1", "micro_f1"] = Field(
        "macro_f1", description="What the thresholds are tuned for on the validation part (task `multi`)."
    )

    def decision(self) -> Decision:
        """Return what it says, without thresholds yet."""
        return Decision(abstain_below=self.abstain_below, min_labels=self.min_labels, aim=self.thresholds)


class Train(Section):
    """How the encoder is fine-tuned. `auto` is chosen by the rules in docs/train.md, printed, and stored."""

    epochs: Annotated[float, Field(gt=0)] | Auto = Field("auto", description="Passes over the training part.")
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | Auto = Field(
        "auto", description="The peak: linear warm-up, then linear to zero."
    )
    batch_tokens: Annotated[int, Field(ge=8)] | Auto = Field("auto", description="Tokens per update.")
    precision: Precision = Field("auto", description="What the arithmetic of training is done in.")
    frozen_layers: Annotated[int, Field(ge=0)] | Auto = Field(
        "auto", description="How many of the lowest layers keep their pretrained weights."
    )
    loss: Literal["auto", "cross_entropy", "focal", "asymmetric"] = Field(
        "auto", description="`focal` and `asymmetric` are for task `multi`."
    )
    probabilities: bool = Field(True, description="Train by labels' probabilities where there are any.")
    class_weights: Literal["none", "balanced"] = Field("none", description="`balanced`: rare labels weigh more.")
    accumulate: int = Field(1, ge=1, description="Batches per update: a larger batch in the same memory.")
    checkpoint_minutes: float = Field(10, gt=0, description="A checkpoint at least this often, and each epoch.")
    early_stop: int = Field(2, ge=0, description="Stop after this many evaluations without a better one; 0: never.")
    seed: int = Field(42, ge=0, lt=2**32, description="Of all random numbers: split, order, first weights.")
    traffic: Annotated[list[SourceFile], BeforeValidator(as_list)] = Field(
        [],
        description="Files of recent texts, without labels, which drift is measured from rather than from the test "
        "texts; `copydesk retrain --log` gives those of the log.",
    )


class Track(Section):
    """Where training runs are recorded, where that is set up; see docs/tracking.md."""

    mlflow: bool = Field(True, description="A server (MLFLOW_TRACKING_URI), else mlflow.db in the working folder.")
    wandb: bool = Field(True, description="Where WANDB_API_KEY is set or WANDB_MODE is offline.")


class Tune(Section):
    """Search over hyper-parameters."""

    trials: int = Field(0, ge=0, description="How many trials a study holds in the end.")
    timeout_minutes: float | None = Field(None, gt=0, description="After so long no further trial is begun.")
