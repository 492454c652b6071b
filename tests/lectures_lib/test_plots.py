"""Do the shared pictures say what they show, and do they refuse what they cannot show?"""

import io
import itertools
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import ArrowStyle
from matplotlib.text import Annotation

from lectures_lib import plots


def make_slider(**changes):
    def draw(value):
        figure, ax = plots.new_figure(figsize=(1, 1))
        ax.plot([0, value])
        return figure

    options = {
        "draw": draw,
        "values": [1, 2, 3],
        "label": "slope",
        "describe": lambda value: f"slope = {value}",
        "alt": lambda value: f'a line of slope {value}, in "quotes" & signs',
        "caption": "A line.",
        "start": 1,
    }
    return plots.Slider(**{**options, **changes})


def test_slider_shows_the_start_and_hides_the_rest():
    page = make_slider()._repr_html_()
    images = re.findall(r"<img [^>]*>", page)
    assert [" hidden" in image for image in images] == [True, False, True]
    assert 'min="0" max="2" step="1" value="1"' in page
    assert "<output>slope = 2</output>" in page


def test_slider_gives_its_size_in_pixels_of_the_page():
    page = make_slider()._repr_html_()
    assert page.count('width="100" height="100"') == 3


def test_letters_of_a_full_figure_can_be_read_on_a_phone():
    plots.use_book_style()
    width, _ = mpl.rcParams["figure.figsize"]
    assert width == plots.WIDTH
    assert mpl.rcParams["font.size"] / 72 / width * 350 >= 10  # CSS pixels in a column of 350


def test_slider_describes_each_picture_and_escapes_it():
    page = make_slider()._repr_html_()
    alts = re.findall(r'alt="([^"]*)"', page)
    assert alts == [f"a line of slope {k}, in &quot;quotes&quot; &amp; signs" for k in (1, 2, 3)]


def test_slider_escapes_all_words_and_moves_by_its_script():
    page = make_slider(label='a "b" <', caption="c < d", describe=lambda value: f"<{value}>")._repr_html_()
    assert 'aria-label="a &quot;b&quot; &lt;" aria-valuetext="&lt;2&gt;"' in page
    assert "<output>&lt;2&gt;</output>" in page
    assert re.findall(r'data-label="([^"]*)"', page) == ["&lt;1&gt;", "&lt;2&gt;", "&lt;3&gt;"]
    assert "<figcaption>c &lt; d</figcaption>" in page
    assert f' oninput="{plots.SHOW_FRAME}"' in page


def test_slider_labels_have_minus_signs_and_keep_their_hyphens():
    slider = make_slider(describe=lambda value: f"log-odds -{value}.5, step-{value}")
    assert slider.labels[0] == "log-odds −1.5, step-1"


def test_slider_asks_for_the_words_after_the_picture_was_drawn():
    drawn = {}

    def draw(value):
        figure, ax = plots.new_figure(figsize=(1, 1))
        drawn[value] = plots.draw_spins(ax, np.full((1, value), 1))
        return figure

    assert make_slider(draw=draw, alt=drawn.get).alts[2].startswith("1 by 3 spins")


def test_slider_pictures_differ():
    frames = make_slider().frames
    assert len(set(frames)) == 3
    assert all(frame.startswith(b"\x89PNG") for frame in frames)
    with mpl.rc_context():
        plots.use_book_style()
        frame = mpl.image.imread(io.BytesIO(make_slider().frames[0]))
    assert frame.shape == (plots.FRAME_DPI, plots.FRAME_DPI, 4)
    assert frame[0, 0, 3] == 0  # without a ground


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": [1]}, "at least two values, got 1"),
        ({"start": 3}, r"start must be in 0\.\.2, got 3"),
        ({"alt": lambda value: " "}, "needs alt text"),
    ],
)
def test_slider_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        make_slider(**changes)


def test_spins_are_drawn_in_two_colours_and_means_on_a_scale():
    _, (left, right) = plots.new_figure(1, 2)
    spins = plots.draw_spins(left, np.array([[1, -1], [-1, -1]]))
    means = plots.draw_spins(right, np.array([[0.5, -1.0], [0.0, 0.0], [0.0, 0.5]]))
    assert spins == "2 by 2 spins, orange down and blue up; their mean is -0.50."
    assert means == "3 by 2 values between orange, -1, and blue, +1; their mean is +0.00."
    for image in (left.images[0], right.images[0]):
        assert image.get_clim() == (-1, 1)
        assert [mpl.colors.to_hex(image.to_rgba(x)) for x in (-1.0, 1.0)] == ["#e69f00", "#0072b2"]
    assert plots.draw_spins(left, np.array([[0.5, -1.0]])).startswith("1 by 2 values")
    assert len(np.unique(left.images[0].to_rgba(left.images[0].get_array()).reshape(-1, 4), axis=0)) == 2
    assert len(np.unique(right.images[0].to_rgba(right.images[0].get_array()).reshape(-1, 4), axis=0)) == 3


def test_spins_of_the_wrong_shape_are_refused():
    _, ax = plots.new_figure()
    with pytest.raises(ValueError, match=r"shape \(rows, columns\), got \(4,\)"):
        plots.draw_spins(ax, np.ones(4))
    with pytest.raises(ValueError, match=r"shape \(rows, columns\), got \(0, 3\)"):
        plots.draw_spins(ax, np.ones((0, 3)))
    for bad in (np.nan, 1.5):
        with pytest.raises(ValueError, match=r"spins must be in \[-1, 1\]"):
            plots.draw_spins(ax, np.full((2, 2), bad))


def test_pictures_stand_side_by_side_on_a_ground_that_ends_with_them():
    _, ax = plots.new_figure()
    pictures = np.arange(24.0).reshape(4, 2, 3) / 23
    assert plots.draw_pictures(ax, pictures, 3, "ink") == "4 pictures of 2 by 3 pixels, 3 in a row."
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert shown.shape == (2 * 3 + 1, 3 * 4 + 1)
    assert np.array_equal(shown[1:3, 5:8], pictures[1])
    assert np.array_equal(shown[4:6, 1:4], pictures[3])
    assert np.isnan(shown).sum() == shown.size - pictures.size
    assert not np.array_equal(ax.images[0].to_rgba(0.0), ax.images[0].to_rgba(np.nan))
    white, black = ax.images[0].to_rgba(0.0), ax.images[0].to_rgba(1.0)
    assert black[:3] == (0, 0, 0)
    assert 0.8 < white[0] < 0.99  # so that its end shows on a white page
    assert ax.get_title() == "ink"


def test_weights_are_drawn_each_on_its_own_scale():
    _, ax = plots.new_figure()
    weights = np.array([[[-4.0, 2.0]], [[0.1, 0.0]], [[0.0, 0.0]]])
    text = plots.draw_pictures(ax, weights, 1, weights=True)
    assert text.startswith("3 pictures of weights, blue positive and orange negative")
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert shown[[1, 3, 5], 1:3].tolist() == [[-1.0, 0.5], [1.0, 0.0], [0.0, 0.0]]
    assert ax.images[0].get_clim() == (-1, 1)
    assert [mpl.colors.to_hex(ax.images[0].to_rgba(x)) for x in (-1.0, 1.0)] == ["#e69f00", "#0072b2"]


@pytest.mark.parametrize("shape", [(4, 9), (0, 3, 3)])
def test_pictures_of_the_wrong_shape_are_refused(shape):
    _, ax = plots.new_figure()
    with pytest.raises(ValueError, match=r"shape \(n, height, width\), got"):
        plots.draw_pictures(ax, np.ones(shape), 2)


@pytest.mark.parametrize(("value", "columns"), [(np.nan, 2), (np.inf, 2), (1.0, 0), (1.0, 1.5)])
def test_pictures_of_no_numbers_or_in_no_columns_are_refused(value, columns):
    with pytest.raises(ValueError, match=r"finite numbers|columns: expected"):
        plots.draw_pictures(Figure().subplots(), np.full((2, 3, 3), value), columns)


def test_network_has_a_circle_per_node_and_a_line_per_edge():
    _, ax = plots.new_figure()
    nodes = {"$x_1$": (0, 0), "b": (1, 0), "c": (0, 1)}
    edges = [("$x_1$", "b"), ("$x_1$", "c")]
    text = plots.draw_network(ax, nodes, edges, directed=True, observed=["b"])
    assert text == "Directed graph of the variables x 1, b, c; arrows: x 1 to b, x 1 to c; observed: b."
    assert len(ax.lines) == 3
    assert len(ax.texts) == 3 + 2  # names, and one annotation an arrow
    arrows = [note for note in ax.texts if isinstance(note, Annotation)]
    assert [(note.xyann, note.xy) for note in arrows] == [((0, 0), (1, 0)), ((0, 0), (0, 1))]
    assert all(isinstance(note.arrow_patch.get_arrowstyle(), ArrowStyle.CurveFilledB) for note in arrows)
    assert [line.get_markerfacecolor() for line in ax.lines] == ["white", "#BBBBBB", "white"]


def test_network_refuses_unknown_names():
    _, ax = plots.new_figure()
    with pytest.raises(ValueError, match="got \\['d'\\]"):
        plots.draw_network(ax, {"a": (0, 0)}, [("a", "d")], directed=False)
    with pytest.raises(ValueError, match="got \\['e'\\]"):
        plots.draw_network(ax, {"a": (0, 0)}, [], directed=False, observed=["e"])


def test_lines_of_an_undirected_network_have_no_heads_and_names_lose_their_marks():
    _, ax = plots.new_figure()
    nodes = {r"$\theta_{12}$": (0, 0), "b": (1, 0)}
    text = plots.draw_network(ax, nodes, [tuple(nodes)], directed=False)
    assert text == "Undirected graph of the variables theta 12, b; lines: theta 12 and b."
    assert type(ax.texts[0].arrow_patch.get_arrowstyle()) is ArrowStyle.Curve


def test_network_without_edges_is_described():
    _, ax = plots.new_figure()
    assert (
        plots.draw_network(ax, {"a": (0, 0)}, [], directed=False)
        == "Undirected graph of the variables a; lines: none."
    )


def test_new_figure_is_unknown_to_pyplot():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    figure, _ = plots.new_figure()
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == before


def test_style_has_no_ground_so_that_a_page_may_be_dark():
    with mpl.rc_context():
        plots.use_book_style()
        grounds = {mpl.rcParams[f"{of}.facecolor"] for of in ("figure", "axes", "savefig")}
    assert grounds == {"none"}


def test_a_figure_drawn_again_is_the_same_file():
    files = []
    with mpl.rc_context():
        plots.use_book_style()
        for _ in range(2):
            figure, ax = plots.new_figure(figsize=(1, 1))
            ax.plot([0, 1], clip_on=True)
            files.append(io.BytesIO())
            figure.savefig(files[-1], format="svg", metadata={"Date": None})
    assert files[0].getvalue() == files[1].getvalue()


# What full protanopia, deuteranopia and tritanopia make of linear RGB: Machado, Oliveira & Fernandes (2009).
VISION = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
DARK_FILTER = "invert(1) hue-rotate(180deg)"
HALF_TURN = np.array(
    [[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]]
)  # of the hue, as CSS defines it
GROUNDS = {"light": 1.0, "dark": 0.07}
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def on_page(colours, theme):
    """Linear RGB of colours as a page of this theme shows them."""
    rgb = np.array([mpl.colors.to_rgb(colour) for colour in colours])
    if theme == "dark":
        rgb = np.clip((1 - rgb) @ HALF_TURN.T, 0, 1)
    return linear(rgb)


def linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB, in which a distance of 2 can just be seen."""
    xyz = rgb @ np.array(
        [
            [0.4124564, 0.2126729, 0.0193339],
            [0.3575761, 0.7151522, 0.1191920],
            [0.1804375, 0.0721750, 0.9503041],
        ]
    )
    xyz = xyz / [0.95047, 1, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def test_the_page_turns_dark_figures_as_is_assumed_here():
    css = Path(__file__).parents[2] / "book" / "_static" / "book.css"
    assert f"filter: {DARK_FILTER} !important" in css.read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", GROUNDS)
@pytest.mark.parametrize("vision", VISION)
def test_colours_can_be_told_apart_by_everyone_on_every_page(vision, theme):
    def least_distance(colours):
        seen = lab(np.clip(on_page(colours, theme) @ np.transpose(VISION[vision]), 0, 1))
        return min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))

    assert least_distance(plots.COLOURS) > 12
    assert least_distance(plots.SPIN_COLOURS.colors) > 60
    assert least_distance([plots._SPIN_SCALE(x) for x in (0.0, 0.5, 1.0)]) > 25


@pytest.mark.parametrize(("theme", "ground"), GROUNDS.items())
def test_lines_and_text_stand_out_from_the_ground_of_every_page(theme, ground):
    def contrast(colours):
        levels = np.sort(
            [on_page(colours, theme) @ LUMINANCE, np.full(len(colours), linear(np.array(ground)))], axis=0
        )
        return (levels[1] + 0.05) / (levels[0] + 0.05)

    assert (
        contrast(plots.COLOURS[:4]) > 3
    ).all()  # what WCAG asks of graphics; the lighter ones come after these
    with mpl.rc_context():
        plots.use_book_style()
        ink = [
            mpl.rcParams[key] for key in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color")
        ]
        assert [entry["color"] for entry in mpl.rcParams["axes.prop_cycle"]] == list(plots.COLOURS)
        assert mpl.rcParams["image.cmap"] == "cividis"  # made for colour-blind readers
    assert (contrast(ink) > 7).all()
