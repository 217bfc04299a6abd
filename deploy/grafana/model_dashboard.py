"""The dashboard of the model: whether texts and answers are still those that it was made for, and whether it is right.

The names of metrics are those of docs/monitor.md and docs/serve.md, and of the rules in ../prometheus/rules/model.yml.
"""

from __future__ import annotations

from panels import Dashboard, Panel, Row
from queries import EVERY, changes, quantile, rate

_MODEL = 'model=~"$model"'
_VERSION = 'version=~"$version"'
RIGHT = Row(
    "Is it right?",
    (
        Panel(
            "stat",
            "Alarms now",
            "How many of the watch's detectors and checks alarm.",
            {"alarms": f"sum(copydesk_monitor_alarms{{{_MODEL}}})"},
            "short",
            4,
            (1, 3),
        ),
        Panel(
            "stat",
            "Expected accuracy",
            "What the model's own confidence promises for the latest texts; no label is needed.",
            {"{{model}}": f"copydesk_monitor_expected_accuracy{{{_MODEL}}}"},
            "percentunit",
            4,
        ),
        Panel(
            "stat",
            "Accuracy when tested",
            "On the test texts, before it went into production.",
            {"{{model}}": f"copydesk_monitor_reference_accuracy{{{_MODEL}}}"},
            "percentunit",
            4,
        ),
        Panel(
            "stat",
            "Texts looked at",
            "In the latest window; fewer than 100 say nothing.",
            {"{{model}}": f"copydesk_monitor_window_texts{{{_MODEL}}}"},
            "short",
            4,
        ),
        Panel(
            "stat",
            "Last look",
            "How long ago `copydesk monitor watch` last finished.",
            {"{{model}}": f"copydesk:monitor_last_run:age_seconds{{{_MODEL}}}"},
            "s",
            4,
            (300, 600),
        ),
        Panel(
            "stat",
            "Trained",
            "How long ago, by version.",
            {"{{model}} {{version}}": f"copydesk_monitor_model_age_seconds{{{_MODEL},{_VERSION}}}"},
            "s",
            4,
            (270 * 86_400, 365 * 86_400),
        ),
        Panel(
            "timeseries",
            "Accuracy: expected, measured, when tested",
            "Measured by feedback on drawn texts, its 95 % interval dashed. It alarms 5 points below the test's.",
            {
                "{{model}} expected": f"copydesk_monitor_expected_accuracy{{{_MODEL}}}",
                "{{model}} when tested": f"copydesk_monitor_reference_accuracy{{{_MODEL}}}",
                "{{version}} {{source}} measured": f"copydesk_monitor_accuracy{{{_MODEL},{_VERSION}}}",
                "{{version}} {{source}} low": f"copydesk_monitor_accuracy_low{{{_MODEL},{_VERSION}}}",
                "{{version}} {{source}} high": f"copydesk_monitor_accuracy_high{{{_MODEL},{_VERSION}}}",
            },
            "percentunit",
            16,
            dashed="(low|high)$",
        ),
        Panel(
            "timeseries",
            "Feedback",
            "Texts that people have judged, and corrections that came in an hour.",
            {
                "{{version}} {{source}} judged": f"copydesk_monitor_feedback_texts{{{_MODEL},{_VERSION}}}",
                "{{version}} an hour": "sum by (version) (increase(copydesk_feedback_total"
                '{version=~"$version|[(]other[)]"}[1h]))',
            },
        ),
    ),
)
DRIFT = Row(
    "Has what it is asked changed?",
    (
        Panel(
            "timeseries",
            "Size of the change, by detector",
            "PSI, KS distance or AUC, between the latest window and the test's texts. Size alone is no alarm.",
            {"{{detector}} {{measure}}": f"copydesk_monitor_drift_effect{{{_MODEL}}}"},
            width=12,
        ),
        Panel(
            "state-timeline",
            "Alarms, by detector",
            "Certain and large enough to matter, all detectors judged together.",
            {"{{detector}}": f"copydesk_monitor_drift{{{_MODEL}}}"},
            width=12,
        ),
        Panel(
            "timeseries",
            "p-values",
            "How probable so clear a change is without any.",
            {"{{detector}}": f"copydesk_monitor_drift_p_value{{{_MODEL}}}"},
            width=12,
        ),
        Panel(
            "timeseries",
            "Confidence, the mean",
            "Of the latest window, as the watch sees it.",
            {"{{model}}": f"copydesk_monitor_confidence{{{_MODEL}}}"},
            "percentunit",
            12,
        ),
    ),
)
ANSWERS = Row(
    "What it answers",
    (
        Panel(
            "timeseries",
            "Predictions by label",
            "The twelve most frequent. (none): a text without any label.",
            {
                "{{label}}": "topk(12, "
                + rate(f"copydesk_predictions_total{{{_VERSION}}}", "label")
                + f" / ignoring (label) group_left sum(rate(copydesk_predictions_total{{{_VERSION}}}{EVERY})))"
            },
            "percentunit",
            stacked=True,
        ),
        Panel(
            "timeseries",
            "Label shares, now and when tested",
            "The ten most frequent labels of the latest window; dashed: when tested.",
            {
                "{{label}}": f"topk(10, copydesk_monitor_label_share{{{_MODEL}}})",
                "{{label}} when tested": f"copydesk_monitor_label_share_reference{{{_MODEL}}}"
                f" and topk(10, copydesk_monitor_label_share{{{_MODEL}}})",
            },
            "percentunit",
            dashed="when tested$",
        ),
        Panel(
            "bargauge",
            "Labels that moved most",
            "The share now less the share when tested: the eight that grew and the eight that shrank most.",
            {
                "{{label}}": f"sort_desc(topk(8, copydesk:label_share:change{{{_MODEL}}})"
                f" or bottomk(8, copydesk:label_share:change{{{_MODEL}}}))"
            },
            "percentunit",
        ),
        Panel(
            "heatmap",
            "Confidence",
            "How many answers were given with which score.",
            {"{{le}}": f"sum by (le) (increase(copydesk_confidence_bucket{{{_VERSION}}}{EVERY}))"},
            "percentunit",
            12,
        ),
        Panel(
            "timeseries",
            "Confidence, quantiles",
            "One answer in ten, and half of them, were given with a lower score.",
            {
                f"{{{{version}}}} p{share * 100:g}": quantile(share, f"copydesk_confidence{{{_VERSION}}}", "version")
                for share in (0.1, 0.5)
            },
            "percentunit",
            12,
            limits=(0, 1),
        ),
    ),
)
CANDIDATES = Row(
    "Versions and candidates",
    (
        Panel(
            "timeseries",
            "Predictions by version",
            "Labels given a second.",
            {"{{version}}": rate(f"copydesk_predictions_total{{{_VERSION}}}", "version")},
        ),
        Panel(
            "timeseries",
            "A candidate agrees",
            "The share of the texts that a candidate in the shadow decided as the version that answered.",
            {
                "{{version}}": " / ".join(
                    rate(f'copydesk_shadow_texts_total{{agrees=~"{agrees}"}}', "version")
                    for agrees in ("yes", "yes|no")
                )
            },
            "percentunit",
            limits=(0, 1),
        ),
        Panel(
            "timeseries",
            "A candidate's texts",
            "That it agreed on, did not, or failed at.",
            {"{{version}} {{agrees}}": rate("copydesk_shadow_texts_total", "version, agrees")},
            stacked=True,
        ),
    ),
)
MODEL = Dashboard(
    "copydesk-model",
    "Copydesk: model",
    "Whether texts and answers are still those that the model was made for, and whether it is right.",
    (RIGHT, DRIFT, ANSWERS, CANDIDATES),
    {
        "model": "label_values(copydesk_model_info, name)",
        "version": 'label_values(copydesk_model_info{name=~"$model"}, version)',
    },
    {"Version": changes('name=~"$model"')},
)
