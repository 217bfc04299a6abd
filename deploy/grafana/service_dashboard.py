"""The dashboard of the server: whether it answers, how fast, and what it loses.

The names of metrics are those of docs/serve.md, and of the recording rules in ../prometheus/rules/service.yml.
"""

from __future__ import annotations

from panels import Dashboard, Panel, Row
from queries import EVERY, changes, mean, quantile, rate

_OF = 'job=~"$job",instance=~"$instance"'
_CLASSIFY = f'{_OF},route="/v1/classify"'
NOW = Row(
    "Now",
    (
        Panel(
            "stat",
            "Requests a second",
            "To /v1, without looks at jobs; the mean of 5 minutes.",
            {"requests": 'sum(copydesk:requests:rate5m{job=~"$job"})'},
            "reqps",
            4,
        ),
        Panel(
            "stat",
            "Failing",
            "The share answered with 5xx in 5 minutes. 0.1 % is allowed in the long run; from 1.44 % on it is urgent.",
            {"failing": 'max(copydesk:errors:ratio5m{job=~"$job"})'},
            "percentunit",
            4,
            (0.001, 0.0144),
        ),
        Panel(
            "stat",
            "Refused",
            "The share of /v1/classify answered with 429 in 5 minutes.",
            {"refused": 'max(copydesk:refused:ratio5m{job=~"$job"})'},
            "percentunit",
            4,
            (0.001, 0.01),
        ),
        Panel(
            "stat",
            "99th percentile",
            "Of /v1/classify in 5 minutes, from a request's head to its answer.",
            {"p99": 'max(copydesk:latency_seconds:p99_5m{job=~"$job"})'},
            "s",
            4,
            (0.25, 0.5),
        ),
        Panel(
            "stat",
            "Texts waiting",
            "In all queues, without the candidate's in the shadow.",
            {"waiting": f'sum(copydesk_queue_texts{{{_OF},lane!~"shadow .*"}})'},
            "short",
            4,
        ),
        Panel(
            "stat",
            "Answering",
            "The versions that answer now. Two for longer than a swap takes: a server or a worker stays behind.",
            {"{{name}} {{version}}": f"max by (name, version) (copydesk_model_info{{{_OF}}}) == 1"},
            "none",
            4,
        ),
    ),
)
REQUESTS = Row(
    "Requests and errors",
    (
        Panel(
            "timeseries",
            "Requests by route",
            "All routes, probes and metrics too.",
            {"{{route}}": rate(f"copydesk_http_requests_total{{{_OF}}}", "route")},
            "reqps",
            6,
        ),
        Panel(
            "timeseries",
            "Answers by status",
            "Of the routes under /v1. 429: refused; 5xx: failed.",
            {"{{status}}": rate(f'copydesk_http_requests_total{{{_OF},route=~"/v1/.+"}}', "status")},
            "reqps",
            6,
        ),
        Panel(
            "timeseries",
            "Failing, by window",
            "It alarms when two windows are above their line: 5 min and 1 h above 1.44 %, 30 min and 6 h above 0.6 %.",
            {
                f"{{{{job}}}} {window}": f'copydesk:errors:ratio{window}{{job=~"$job"}}'
                for window in ("5m", "30m", "1h", "6h")
            },
            "percentunit",
            6,
            thresholds=(0.006, 0.0144),
        ),
        Panel(
            "timeseries",
            "Refusals by reason",
            "Overloaded: more than can be answered (429). DeadlinePassed: the client's time was over (504).",
            {"{{reason}}": rate(f"copydesk_refusals_total{{{_OF}}}", "reason")},
            "reqps",
            6,
        ),
    ),
)
LATENCY = Row(
    "Latency",
    (
        Panel(
            "timeseries",
            "/v1/classify",
            "From a request's head to its answer, refusals included.",
            {
                f"p{share * 100:g}": quantile(share, f"copydesk_http_request_seconds{{{_CLASSIFY}}}")
                for share in (0.5, 0.9, 0.99)
            },
            "s",
            thresholds=(0.25, 0.5),
        ),
        Panel(
            "timeseries",
            "99th percentile by stage",
            "What an answered request spent in queue, tokenise and inference. The percentiles do not add up.",
            {"{{stage}}": quantile(0.99, f"copydesk_stage_seconds{{{_OF}}}", "stage")},
            "s",
        ),
        Panel(
            "timeseries",
            "Mean by stage",
            "The means add up to what the model takes; the rest of a request is HTTP.",
            {"{{stage}}": mean(f"copydesk_stage_seconds{{{_OF}}}", "stage")},
            "s",
            stacked=True,
        ),
        Panel(
            "heatmap",
            "/v1/classify, all requests",
            "How many took how long. Two bands: two kinds of request, or a cascade's two stages.",
            {"{{le}}": f"sum by (le) (increase(copydesk_http_request_seconds_bucket{{{_CLASSIFY}}}{EVERY}))"},
            "s",
            16,
        ),
        Panel(
            "timeseries",
            "99th percentile by route",
            "Without streams of a job's progress, which last as long as the job.",
            {
                "{{route}}": quantile(
                    0.99, f'copydesk_http_request_seconds{{{_OF},route=~"/v1/.+",route!~".+/events"}}', "route"
                )
            },
            "s",
        ),
    ),
)
ENGINE = Row(
    "Queue and batches",
    (
        Panel(
            "timeseries",
            "Texts waiting",
            "By lane: the stages of a model each have a queue. `shadow …` is the candidate's.",
            {"{{lane}}": f"sum by (lane) (copydesk_queue_texts{{{_OF}}})"},
        ),
        Panel(
            "timeseries",
            "Texts in a batch",
            "Near 1: little load, every text is answered at once.",
            {
                "{{lane}} mean": mean(f"copydesk_batch_texts{{{_OF}}}", "lane"),
                "{{lane}} p90": quantile(0.9, f"copydesk_batch_texts{{{_OF}}}", "lane"),
            },
        ),
        Panel(
            "timeseries",
            "Padding",
            "The share of an encoder's tokens that only fill up shorter texts. Linear models have none.",
            {
                "{{lane}}": " / ".join(
                    rate(f"copydesk_batch_tokens_total{{{_OF}{kind}}}", "lane") for kind in (',kind="padding"', "")
                )
            },
            "percentunit",
            limits=(0, 1),
        ),
        Panel(
            "timeseries",
            "Texts a second",
            "What the engines answer, in one batch or many.",
            {"{{lane}}": rate(f"copydesk_batch_texts_sum{{{_OF}}}", "lane")},
        ),
        Panel(
            "timeseries",
            "99th percentile of a batch",
            "How long an engine takes for a batch.",
            {"{{lane}}": quantile(0.99, f"copydesk_batch_seconds{{{_OF}}}", "lane")},
            "s",
        ),
        Panel(
            "timeseries",
            "Texts nobody waited for",
            "Their clients left, or their time was over; they were not computed.",
            {"{{lane}}": rate(f"copydesk_dropped_texts_total{{{_OF}}}", "lane")},
        ),
    ),
)
KEPT = Row(
    "Jobs, versions, log",
    (
        Panel(
            "timeseries",
            "Jobs",
            "By status, as the store has them; several servers with one store tell the same.",
            {"{{status}}": f"max by (status) (copydesk_jobs{{{_OF}}})"},
            width=6,
        ),
        Panel(
            "timeseries",
            "Versions",
            "How many servers answer with a version; 0 for one that did before.",
            {"{{name}} {{version}}": f"sum by (name, version) (copydesk_model_info{{{_OF}}})"},
            width=6,
        ),
        Panel(
            "timeseries",
            "Swaps in an hour",
            "Changes of the served version; `failed`: the one before stays.",
            {"{{outcome}}": f"sum by (outcome) (increase(copydesk_swaps_total{{{_OF}}}[1h]))"},
            width=6,
        ),
        Panel(
            "timeseries",
            "Prediction log",
            "Rows a second. dropped: the buffer was full; lost: the place refused them.",
            {"{{outcome}}": rate(f"copydesk_log_entries_total{{{_OF}}}", "outcome")},
            width=6,
        ),
    ),
)
SERVICE = Dashboard(
    "copydesk-service",
    "Copydesk: service",
    "Whether the server answers, how fast, and what it loses.",
    (NOW, REQUESTS, LATENCY, ENGINE, KEPT),
    {
        "job": "label_values(copydesk_http_requests_total, job)",
        "instance": 'label_values(copydesk_http_requests_total{job=~"$job"}, instance)',
    },
    {"Version": changes('job=~"$job"')},
)
