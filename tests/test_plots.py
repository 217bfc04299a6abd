import re
import subprocess
import sys
from xml.etree import ElementTree

from copydesk.plots import learning_curve_svg, reliability_svg
from copydesk.types import ReliabilityBin, Step

BINS = [ReliabilityBin(0.55, 0.5, 4), ReliabilityBin(0.75, 0.7, 40), ReliabilityBin(0.98, 0.99, 2_000)]
HISTORY = [
    Step(10, 0.5, 500, loss=0.7),
    Step(20, 1.0, 1_000, loss=0.4, validation_loss=0.45, validation_quality=0.875),
    Step(40, 2.0, 2_000, loss=0.2, validation_loss=0.35, validation_quality=0.9),
]


def ids_in(svg: str) -> list[str]:
    return re.findall(r' id="([^"]+)"', svg)


def words_in(svg: str) -> str:
    return " ".join(text for text in ElementTree.fromstring(svg).itertext() if text.strip())


def test_importing_the_plots_does_not_import_matplotlib() -> None:
    script = "import sys, copydesk.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_same_numbers_give_the_same_plot() -> None:
    assert reliability_svg(BINS) == reliability_svg(BINS)
    assert learning_curve_svg(HISTORY) == learning_curve_svg(HISTORY)


def test_drawing_leaves_matplotlibs_settings_as_they_were() -> None:
    import matplotlib

    with matplotlib.rc_context({"axes.edgecolor": "#123456", "svg.fonttype": "path"}):
        svg = learning_curve_svg(HISTORY)
        assert matplotlib.rcParams["axes.edgecolor"] == "#123456"
    assert svg == learning_curve_svg(HISTORY)


def test_a_plot_is_well_formed_and_has_a_spoken_title() -> None:
    for svg in (reliability_svg(BINS), learning_curve_svg(HISTORY)):
        root = ElementTree.fromstring(svg)
        title, description = root[0], root[1]
        assert root.get("role") == "img"
        assert root.get("aria-labelledby", "").split() == [title.get("id"), description.get("id")]
        assert title.text
        assert description.text


def test_ids_of_two_plots_in_one_page_differ() -> None:
    ids = ids_in(reliability_svg(BINS)) + ids_in(learning_curve_svg(HISTORY)) + ids_in(reliability_svg(BINS, name="b"))
    assert len(ids) == len(set(ids))


def test_every_reference_in_a_plot_has_its_target() -> None:
    svg = reliability_svg(BINS)
    targets = re.findall(r'href="#([^"]+)"', svg) + re.findall(r"url\(#([^)]+)\)", svg)
    assert targets
    assert set(targets) <= set(ids_in(svg))


def test_a_plot_takes_its_colours_and_font_from_the_page() -> None:
    for svg in (reliability_svg(BINS), learning_curve_svg(HISTORY)):
        assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", svg)) <= {
            "none",
            *(f"var(--{name})" for name in ("ink", "muted", "line", "accent")),
        }
        assert "font-family" not in svg
        assert "<style" not in svg


def test_a_plot_asks_for_nothing_and_carries_no_date() -> None:
    svg = learning_curve_svg(HISTORY)
    assert "<metadata" not in svg
    assert not re.findall(r'(?:src|href)="(?!#)', svg)


def test_a_curve_without_validation_quality_has_one_panel() -> None:
    only_loss = [Step(10, 0.5, 500, loss=0.7), Step(20, 1.0, 1_000, loss=0.4)]
    words = words_in(learning_curve_svg(only_loss))
    assert "Validation accuracy: not measured." in words
    assert words.endswith("loss training")


def test_a_curve_of_one_step_and_one_without_losses_can_be_drawn() -> None:
    assert "training" in words_in(learning_curve_svg(HISTORY[:1]))
    assert "validation accuracy" in words_in(learning_curve_svg([Step(1, 1.0, 9, validation_quality=0.5)]))


def test_numbers_that_are_none_leave_their_point_out() -> None:
    odd = [ReliabilityBin(float("nan"), 0.5, 4), ReliabilityBin(0.65, float("nan"), 0), *BINS]
    assert reliability_svg(odd) == reliability_svg(BINS)
    lost = [*HISTORY, Step(50, 2.5, 1_500, loss=float("nan"), validation_quality=float("inf"))]
    assert learning_curve_svg(lost) == learning_curve_svg(HISTORY)


def test_no_bins_give_an_empty_diagram() -> None:
    assert "score of the answer" in words_in(reliability_svg([]))
