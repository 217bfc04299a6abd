import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from copydesk.rendering import TEXT_CHARS, shown_text
from copydesk.report_page import MATRIX_LABELS, render_report
from copydesk.types import Calibration, Confusion, LabelQuality, Mistake, ReliabilityBin, Report, Slice, Step

NAN = float("nan")
SECTIONS = ["headline", "labels", "confusion", "scores", "curve", "slices", "mistakes", "speed", "training", "data"]
EMPTY = Report(
    task="single",
    model="linear",
    n=0,
    metrics={},
    intervals={},
    per_label={},
    slices=[],
    calibration=Calibration(NAN, NAN),
    confusion=None,
    mistakes=[],
    latency_ms={},
)
FULL = Report(
    task="single",
    model="encoder",
    n=2_816,
    metrics={"accuracy": 0.9925, "macro_f1": 0.9911},
    intervals={"accuracy": (0.98912, 0.99518)},
    per_label={"news": LabelQuality(0.99, 0.98, 0.985, 1_400), "bait": LabelQuality(0.97, 0.96, 0.965, 1_416)},
    slices=[Slice("short texts", 700, 0.95, (0.93, 0.97)), Slice("long texts", 700, 0.999, (0.98, 1.0))],
    calibration=Calibration(0.0047, 0.0121, [ReliabilityBin(0.6, 0.5, 20), ReliabilityBin(0.99, 0.995, 2_796)]),
    confusion=Confusion(["bait", "news"], [[1_409, 7], [14, 1_386]]),
    mistakes=[Mistake("Ten ways to lose", "bait", "news", 0.91), Mistake("Rates fall", "news", "bait", 0.97)],
    latency_ms={"p50": 3.84, "p95": 6.1},
    costs={"train_seconds": 194.2, "texts_per_second": 794.3, "bundle_mb": 91.4},
    baseline={"model": "linear", "accuracy": 0.9847, "macro_f1": 0.9955, "texts_per_second": 12_000.0},
    training={"device": "cpu", "choices": {"epochs": 3.0}, "reasons": {"epochs": "few texts"}},
    history=[Step(10, 0.5, 500, loss=0.7), Step(20, 1.0, 1_000, loss=0.4, validation_loss=0.4)],
    data={"counts": {"train": {"bait": 11, "news": 12}}, "dropped": {"near-copy": 918}, "content": "5f0c"},
    notes=["The encoder LOSES to the linear baseline."],
)

PLAIN = replace(FULL, calibration=Calibration(0.0047, 0.0121), history=[])
"""The same without plots, which take most of the time."""


class Page(HTMLParser):
    """The page as a browser sees it: its text, its tags with attributes, and its ids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._words: list[str] = []
        self._in_style = False
        self.feed(html)
        self.text = " ".join(" ".join(self._words).split())
        self.ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self._words.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def sections(self) -> list[str | None]:
        return [section["aria-labelledby"] for section in self.attributes("section")]


def page_of(report: Report = PLAIN, **changes: Any) -> Page:
    return Page(render_report(replace(report, **changes)))


def labelled(count: int) -> dict[str, Any]:
    labels = [f"label-{number:03}" for number in range(count)]
    counts = [[10 if row == column else 0 for column in range(count)] for row in range(count)]
    counts[1][0] = 5
    per_label = {label: LabelQuality(0.9, 0.9, 0.9 + number / 10_000, 10) for number, label in enumerate(labels)}
    return {"confusion": Confusion(labels, counts), "per_label": per_label}


def test_importing_the_page_imports_neither_jinja_nor_matplotlib() -> None:
    script = "import sys, copydesk.report_page; sys.exit(bool({'jinja2', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_page_asks_for_nothing() -> None:
    html = render_report(FULL)
    page = Page(html)
    links = [attributes.get(name) for _, attributes in page.tags for name in ("src", "href", "xlink:href", "srcset")]
    assert all(link.startswith("#") for link in links if link)
    assert not {"script", "link", "iframe", "img", "object"} & {tag for tag, _ in page.tags}
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_the_same_report_gives_the_same_page() -> None:
    assert render_report(FULL) == render_report(FULL)


def test_a_report_read_back_from_json_gives_the_same_page() -> None:
    assert render_report(Report.from_json(FULL.to_json())) == render_report(FULL)


def test_sections_stand_in_their_order() -> None:
    assert page_of(FULL).sections() == SECTIONS


def test_an_empty_report_has_no_sections_and_no_links_to_them() -> None:
    page = page_of(EMPTY)
    assert page.sections() == []
    assert page.attributes("a") == []


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("labels", {"per_label": {}}),
        ("confusion", {"confusion": None}),
        ("scores", {"calibration": Calibration(NAN, NAN)}),
        ("curve", {}),
        ("slices", {"slices": []}),
        ("mistakes", {"mistakes": []}),
        ("speed", {"latency_ms": {}, "costs": {}}),
        ("training", {"training": {}}),
        ("data", {"data": {}}),
    ],
)
def test_a_section_without_data_is_left_out(section: str, change: dict[str, Any]) -> None:
    with_curve = {} if section == "curve" else {"history": FULL.history[:1]}
    page = page_of(**{**with_curve, **change})
    left = [name for name in SECTIONS if name != section]
    assert page.sections() == left
    assert [link["href"] for link in page.attributes("a")] == [f"#{name}" for name in left]


def test_every_id_occurs_once_and_every_label_points_to_one() -> None:
    page = page_of(FULL)
    assert len(page.ids) == len(set(page.ids))
    wanted = {name for _, attributes in page.tags for name in (attributes.get("aria-labelledby") or "").split()}
    assert wanted <= set(page.ids)


def test_every_table_header_says_what_it_heads() -> None:
    assert all(header.get("scope") in ("col", "row") for header in page_of().attributes("th"))


def test_a_label_with_markup_is_shown_as_text() -> None:
    evil = '<script>alert("x")</script>'
    page = page_of(
        model=evil,
        task=evil,
        notes=[evil],
        per_label={evil: LabelQuality(1, 1, 1, 5)},
        confusion=Confusion([evil, "b"], [[5, 1], [0, 5]]),
        slices=[Slice(evil, 5, 1.0, (0.5, 1.0))],
        mistakes=[Mistake(evil, evil, evil, 0.9)],
        metrics={evil: 0.5},
        costs={evil: 1.0},
        training={evil: evil, "choices": {evil: evil}, "reasons": {evil: evil}},
        data={evil: [evil], "counts": {evil: {evil: 3}}, "dropped": {evil: 2}},
    )
    assert not page.attributes("script")
    assert page.text.lower().count(evil) > 15


def test_notes_stand_before_every_figure() -> None:
    text = page_of().text
    assert text.index("LOSES to the linear baseline") < text.index("Headline figures")


def test_a_metric_stands_with_its_interval_and_the_baseline() -> None:
    text = page_of().text
    assert "Accuracy 0.9925 [0.989, 0.995] Linear baseline 0.9847 +0.0078 better" in text
    assert "Macro F1 0.9911 Linear baseline 0.9955 −0.0044 worse" in text


def test_of_an_error_metric_less_is_better() -> None:
    text = page_of(metrics={"hamming": 0.01}, intervals={}, baseline={"hamming": 0.03}).text
    assert "−0.0200 better" in text


def test_a_difference_that_rounds_to_zero_is_neither_better_nor_worse_in_sign() -> None:
    assert "±0.0000" in page_of(baseline={"accuracy": 0.9925}).text


def test_numbers_that_are_none_are_never_printed() -> None:
    html = render_report(
        replace(
            FULL,
            metrics={"accuracy": NAN, "macro_f1": 0.5},
            intervals={"accuracy": (NAN, NAN)},
            per_label={"a": LabelQuality(NAN, NAN, NAN, 3, NAN), "b": LabelQuality(0.5, 0.5, 0.5, 3)},
            slices=[Slice("none", 0, NAN, (NAN, NAN)), Slice("some", 4, NAN, (NAN, 1.0))],
            calibration=Calibration(NAN, 0.1, [ReliabilityBin(NAN, NAN, 0), ReliabilityBin(NAN, 0.5, 3)]),
            mistakes=[Mistake("text", "a", "b", NAN)],
            latency_ms={"p50": NAN, "p95": float("inf")},
            costs={"bundle_mb": NAN},
            baseline={"accuracy": NAN, "macro_f1": NAN},
            training={"choices": {"warmup": NAN}, "loss": NAN},
            history=[Step(1, 1.0, 10, loss=NAN, validation_loss=0.4), Step(2, 2.0, 20, loss=0.3)],
        )
    )
    assert not re.search(r"\b(nan|inf)\b", html, flags=re.I)


def test_a_label_without_test_texts_has_no_recall() -> None:
    page = page_of(
        per_label={"rare": LabelQuality(0.0, 0.0, 0.0, 0)}, confusion=Confusion(["rare", "b"], [[0, 0], [2, 8]])
    )
    assert "rare 0.000 – – 0" in page.text


def test_thresholds_are_shown_only_if_there_are_any() -> None:
    assert "Threshold" not in page_of().text
    assert "Threshold" in page_of(per_label={"a": LabelQuality(1, 1, 1, 5, 0.4)}).text


def test_few_labels_get_a_matrix_with_counts_and_shares_of_the_row() -> None:
    text = page_of().text
    assert "bait 1,409 99.5 % 7 0.5 %" in text
    assert "news 14 1.0 % 1,386 99.0 %" in text


def test_many_labels_get_a_list_of_the_most_frequent_confusions() -> None:
    assert "framed diagonal" in page_of(**labelled(MATRIX_LABELS)).text
    text = page_of(**labelled(MATRIX_LABELS + 1)).text
    assert "framed diagonal" not in text
    assert "label-001 label-000 5 33.3 %" in text


def test_of_very_many_labels_the_weakest_come_first_and_none_is_lost() -> None:
    page = page_of(**labelled(120), data={})
    assert "The weakest 40 of 120 labels come first" in page.text
    assert all(f"label-{number:03}" in page.text for number in range(120))


def test_a_slice_is_marked_only_if_its_whole_interval_lies_below() -> None:
    text = page_of().text
    assert "short texts ▼ below overall" in text
    assert "long texts ▼" not in text


def test_slices_stand_under_what_they_go_by_and_lengths_alone_say_what_is_usual() -> None:
    others = [Slice("language: en", 1_300, 0.2, (0.19, 0.21)), Slice("rule: a: b", 40, 0.99, (0.9, 1.0))]
    text = page_of(slices=[*FULL.slices, *others]).text
    assert "By length short texts" in text
    assert "By language en ▼ below overall" in text
    assert "By rule a: b" in text
    assert "long texts ▼" not in text and "a: b ▼" not in text
    assert "By length" not in page_of().text


def test_mistakes_stand_with_the_surest_first() -> None:
    text = page_of().text
    assert text.index("Rates fall") < text.index("Ten ways to lose")


def test_columns_are_joined_by_a_dot_and_long_texts_are_cut() -> None:
    assert shown_text("Title\x1fBody\nof it") == "Title · Body of it"
    assert shown_text("\x00a\x1bb\x85") == "a b"
    cut = shown_text("word " * 200)
    assert len(cut) <= TEXT_CHARS
    assert cut.endswith("word…")


def test_half_a_surrogate_pair_does_not_stop_the_page() -> None:
    render_report(replace(FULL, mistakes=[Mistake("\ud83d", "a", "b", 0.5)])).encode("utf-8")


def test_costs_are_shown_in_words_beside_the_baselines_and_any_may_be_missing() -> None:
    text = page_of(costs={"train_seconds": 7_260.0, "texts_per_second": 794.3, "tokens_read": 12.0}).text
    assert "Training 2 h 1 min" in text
    assert "Throughput, many texts at once · linear baseline 12,000 texts/s 794 texts/s" in text
    assert "Tokens read 12" in text
    assert "Size of the bundle" not in text


def test_settings_stand_with_their_reasons() -> None:
    assert "epochs 3 few texts" in page_of().text


def test_data_tells_parts_what_was_left_out_and_every_source() -> None:
    data = {
        "counts": {"train": {"a": 11_000, "b": 300}, "test": 40},
        "dropped": {"near-copy": 918},
        "sources": [{"url": "a.csv", "sha256": "aa"}, {"url": "b.csv", "sha256": "bb"}],
    }
    text = page_of(data=data).text
    assert "Train 11,300" in text
    assert "Test 40" in text
    assert "Near-copy 918" in text
    assert "Sources: 2 url b.csv, sha256 bb" in text


def test_how_the_encoder_answers_is_a_table_with_the_chosen_precision_first() -> None:
    measured = {"quality": 0.98, "drop": 0.0, "agreement": 1.0, "texts_per_second": 496.2, "megabytes": 0.4}
    refused = {"quality": 0.97, "drop": 0.01, "agreement": 0.9412, "texts_per_second": 2_757.0, "megabytes": 12.0}
    runtime = {
        "precision": "fp32",
        "checked_on": 1_200,
        "candidates": [
            {"precision": "int8", **refused, "accepted": False},
            {"precision": "fp32", **measured, "accepted": True},
        ],
        "cores": 2,
        "processor": ["avx2"],
        "onnxruntime": "1.31.1",
    }
    page = page_of(training={"device": "cpu", "runtime": runtime})
    assert "runtime" in page.ids and "1,200 validation texts with 2 processor cores (avx2)" in page.text
    assert "fp32 chosen 0.9800 ±0.0000 100.00 % 496" in page.text
    assert "int8 refused 0.9700 −0.0100 94.12 % 2,757" in page.text
    assert page.text.index("fp32 chosen") < page.text.index("int8 refused")
    assert "candidates" not in page.text.lower()


def test_precisions_that_nothing_could_be_checked_on_have_dashes() -> None:
    unknown = dict.fromkeys(("quality", "drop", "agreement", "texts_per_second"))
    candidates = [{"precision": "fp32", **unknown, "megabytes": 0.4, "accepted": True}]
    runtime = {"precision": "fp32", "checked_on": 0, "candidates": candidates, "cores": 1, "processor": []}
    page = page_of(training={"runtime": runtime})
    assert "fp32 chosen – – – –" in page.text and "no validation texts" in page.text


def test_a_precision_that_is_faster_by_little_is_not_called_slower() -> None:
    alike = {"quality": 0.98, "drop": 0.0, "agreement": 1.0, "megabytes": 0.4, "accepted": True}
    candidates = [
        {"precision": "fp32", **alike, "texts_per_second": 500.0},
        {"precision": "int8", **alike, "texts_per_second": 540.0},
    ]
    runtime = {"precision": "fp32", "checked_on": 0, "candidates": candidates, "cores": 1, "processor": []}
    text = page_of(training={"runtime": runtime}).text
    assert "fp32 chosen" in text and "int8 gains too little" in text


CASCADE = {
    "max_drop": 0.002,
    "confidence": 0.95,
    "validation_texts": 1_797,
    "kept": 0.8894,
    "worse": 3,
    "better": 1,
    "drop": 0.0011,
    "drop_bound": 0.00186,
    "texts_per_second": {"linear": 18_611, "encoder": 255},
    "expected_speed_up": 8.19,
    "thresholds": [0.9, 0.8],
    "kept_on_test": 0.9,
    "kept_on_test_by_label": {"bait": 0.93, "<news>": 0.87},
    "worse_on_test": 2,
    "better_on_test": 0,
    "accuracy_of_the_encoder_alone": 0.9934,
}


def test_a_cascade_says_which_model_answers_how_much_and_what_that_costs() -> None:
    page = page_of(model="cascade", training={"device": "cpu", "cascade": CASCADE})
    assert "Cascade" in page.text and "cascade" in page.sections()
    assert "may be 0.20 % of all, and are at most 0.19 % with 95 % confidence" in page.text
    assert "Validation, 1,797 88.9 % 3 1 Test, 2,816 90.0 % 2 0" in page.text
    assert "The linear model alone 18,611 texts/s The encoder alone 255 texts/s" in page.text
    assert "Accuracy of the encoder alone 0.9934" in page.text
    assert "bait 93.0 % <news> 87.0 %" in page.text
    assert "max drop" not in page.text  # not once more among the training's facts
    assert "Who answers" not in page_of().text
