"""Do the shared pictures say what they show, and do they refuse what they cannot show?"""

import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

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
    assert ax.get_title() == "ink"


def test_weights_are_drawn_each_on_its_own_scale():
    _, ax = plots.new_figure()
    weights = np.array([[[4.0, -2.0]], [[0.1, 0.0]], [[0.0, 0.0]]])
    text = plots.draw_pictures(ax, weights, 1, weights=True)
    assert text.startswith("3 pictures of weights, blue positive and orange negative")
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert shown[[1, 3, 5], 1:3].tolist() == [[1.0, -0.5], [1.0, 0.0], [0.0, 0.0]]
    assert ax.images[0].get_clim() == (-1, 1)


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
    assert [line.get_markerfacecolor() for line in ax.lines] == ["white", "#BBBBBB", "white"]


def test_network_refuses_unknown_names():
    _, ax = plots.new_figure()
    with pytest.raises(ValueError, match="got \\['d'\\]"):
        plots.draw_network(ax, {"a": (0, 0)}, [("a", "d")], directed=False)


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
        assert mpl.rcParams["figure.facecolor"] == mpl.rcParams["axes.facecolor"] == "none"
