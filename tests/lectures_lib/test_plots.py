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


def test_slider_describes_each_picture_and_escapes_it():
    page = make_slider()._repr_html_()
    alts = re.findall(r'alt="([^"]*)"', page)
    assert alts == [f"a line of slope {k}, in &quot;quotes&quot; &amp; signs" for k in (1, 2, 3)]


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
    plots.draw_spins(left, np.array([[1, -1], [-1, -1]]))
    plots.draw_spins(right, np.array([[0.5, -1.0], [0.0, 0.0]]))
    assert len(np.unique(left.images[0].to_rgba(left.images[0].get_array()).reshape(-1, 4), axis=0)) == 2
    assert len(np.unique(right.images[0].to_rgba(right.images[0].get_array()).reshape(-1, 4), axis=0)) == 3


def test_spins_of_the_wrong_shape_are_refused():
    _, ax = plots.new_figure()
    with pytest.raises(ValueError, match=r"shape \(rows, columns\), got \(4,\)"):
        plots.draw_spins(ax, np.ones(4))


def test_network_has_a_circle_per_node_and_a_line_per_edge():
    _, ax = plots.new_figure()
    plots.draw_network(
        ax, {"a": (0, 0), "b": (1, 0), "c": (0, 1)}, [("a", "b"), ("a", "c")], directed=True, observed=["b"]
    )
    assert len(ax.lines) == 3
    assert len(ax.texts) == 3 + 2  # names, and one annotation an arrow
    assert [line.get_markerfacecolor() for line in ax.lines] == ["white", "#BBBBBB", "white"]


def test_network_refuses_unknown_names():
    _, ax = plots.new_figure()
    with pytest.raises(ValueError, match="got \\['d'\\]"):
        plots.draw_network(ax, {"a": (0, 0)}, [("a", "d")], directed=False)


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
