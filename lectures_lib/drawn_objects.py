"""Line drawings of faces, cars, motorbikes and aeroplanes, made by a program; `datasets` is where to import from.

They stand in for photographs: parts are shared between classes (wheels by cars and motorbikes) or belong to one (eyes, handlebars,
wings), and pose, proportions and stroke width vary. In a drawing's own coordinates x points right, y down, and the object fills
about [-1, 1]²; strokes are 1 on a ground of 0.

    >>> import numpy as np
    >>> images, labels, class_names = drawn_objects(2, np.random.default_rng(0))
    >>> images.shape, class_names[labels[-1]]
    ((8, 48, 48), 'aeroplane')
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lectures_lib._validation import whole

__all__ = [
    "JITTER",
    "MIN_SIDE",
    "STROKE_WIDTH",
    "DrawnObjects",
    "Shape",
    "drawn_objects",
    "rasterise",
]

MIN_SIDE = 8
"""Fewer pixels a side leave nothing to recognise."""

STROKE_WIDTH = (0.045, 0.065)
"""Range of stroke widths in drawing coordinates: 1 to 1.5 pixels at a side of 48."""

JITTER = 0.012
"""Standard deviation of what is added to each control point of an outline."""


class DrawnObjects(NamedTuple):
    """Drawings with their classes, ordered by class.

    Attributes
    ----------
    images : ndarray, shape (n, R, C), float64
        In [0, 1], 0 the ground.
    labels : ndarray, shape (n,), int64
        Indices into class_names.
    class_names : tuple of str
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]


class Shape(NamedTuple):
    """A line through points (k, 2) of the plane; a closed one may hide what was drawn before (fill 0) or be solid (fill 1)."""

    points: np.ndarray
    closed: bool = False
    fill: float | None = None


def drawn_objects(
    num_per_class: int,
    rng: np.random.Generator,
    size: int | tuple[int, int] = 48,
    *,
    classes: Sequence[str] | None = None,
) -> DrawnObjects:
    """Draw objects of several classes.

    Parameters
    ----------
    num_per_class : int
        At least 1.
    rng : numpy.random.Generator
    size : int or (int, int)
        Side, or rows and columns, in pixels; at least MIN_SIDE each.
    classes : sequence of str, optional
        Some of "face", "car", "motorbike", "aeroplane", in the order wanted; by default all four in this order.

    Returns
    -------
    DrawnObjects
        num_per_class images of the first class, then of the second, and so on.

    Raises
    ------
    ValueError
        If a number is too small, or a class unknown or repeated.
    """
    whole(num_per_class=num_per_class)
    if num_per_class < 1:
        raise ValueError(f"num_per_class: expected at least 1, got {num_per_class}")
    shape = (size, size) if np.ndim(size) == 0 else tuple(size)
    for side in shape:
        whole(size=side)
    if len(shape) != 2 or min(shape) < MIN_SIDE:
        raise ValueError(f"size: expected a side, or rows and columns, of at least {MIN_SIDE}, got {size}")
    names = tuple(_CLASSES) if classes is None else tuple(classes)
    if not names or len(set(names)) < len(names) or not set(names) <= _CLASSES.keys():
        raise ValueError(f"classes: expected distinct ones of {', '.join(_CLASSES)}, got {names}")
    images = np.empty((len(names) * num_per_class, *shape))
    for n in range(len(images)):
        outline, turn, may_mirror = _CLASSES[names[n // num_per_class]]
        shapes = _pose(outline(rng), shape, turn, may_mirror and rng.random() < 0.5, rng)
        width = rng.uniform(*STROKE_WIDTH) * min(shape) / 2
        images[n] = rasterise(shapes, shape, width)
    return DrawnObjects(images, np.repeat(np.arange(len(names)), num_per_class), names)


def rasterise(shapes: Sequence[Shape], size: tuple[int, int], width: float) -> np.ndarray:
    """Paint shapes over each other in their order, with edges smoothed over one pixel.

    Parameters
    ----------
    shapes : sequence of Shape
        In pixels: (x, y) is column x and row y, (0, 0) the centre of the first pixel.
    size : (int, int)
        Rows and columns.
    width : float
        Of the strokes, in pixels.

    Returns
    -------
    ndarray, shape (R, C), float64
        In [0, 1].
    """
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float64)
    image = np.zeros(size)
    for points, closed, fill in shapes:
        tails, heads = _segments(np.asarray(points, dtype=np.float64), closed)
        distance = _distance(x, y, tails, heads)
        if fill is not None:
            signed = np.where(_inside(x, y, tails, heads), -distance, distance)
            cover = np.clip(0.5 - signed, 0, 1)
            image += cover * (fill - image)
        np.maximum(image, np.clip(0.5 * (1 + width) - distance, 0, 1), out=image)
    return image


def _segments(points: np.ndarray, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    if closed:
        return points, np.roll(points, -1, axis=0)
    return points[:-1], points[1:]


def _distance(x: np.ndarray, y: np.ndarray, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """Distance of each pixel from the nearest segment."""
    along = heads - tails
    length2 = np.maximum((along**2).sum(axis=1), 1e-12)
    dx, dy = x[..., None] - tails[:, 0], y[..., None] - tails[:, 1]
    t = np.clip((dx * along[:, 0] + dy * along[:, 1]) / length2, 0, 1)
    return np.sqrt(((dx - t * along[:, 0]) ** 2 + (dy - t * along[:, 1]) ** 2).min(axis=-1))


def _inside(x: np.ndarray, y: np.ndarray, tails: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """Whether each pixel is inside the closed line: a ray to the right crosses it an odd number of times."""
    x, y = x[..., None], y[..., None]
    spans = (tails[:, 1] > y) != (heads[:, 1] > y)
    rise = heads[:, 1] - tails[:, 1]
    slope = (heads[:, 0] - tails[:, 0]) / np.where(rise == 0, 1, rise)
    crosses = spans & (x < tails[:, 0] + (y - tails[:, 1]) * slope)
    return crosses.sum(axis=-1) % 2 == 1


def _pose(
    shapes: Sequence[Shape], size: tuple[int, int], turn: float, mirror: bool, rng: np.random.Generator
) -> list[Shape]:
    """Bend, turn, scale and place a drawing; the result is in pixels."""
    angle = np.deg2rad(turn) * rng.uniform(-1, 1)
    stretch = 1 + 0.06 * rng.uniform(-1, 1)
    scale = rng.uniform(0.82, 0.97)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-stretch if mirror else stretch, 1 / stretch])
    place = rng.uniform(-1, 1, 2) * (1 - scale)
    phase, bend = rng.uniform(0, 2 * np.pi, 2), 0.03 * rng.uniform(-1, 1, 2)
    rows, columns = size
    half = (min(rows, columns) - 3) / 2
    centre = np.array([columns - 1, rows - 1]) / 2
    posed = []
    for points, closed, fill in shapes:
        bent = points + bend * np.sin(2.5 * points[:, ::-1] + phase)
        posed.append(Shape(centre + half * (bent @ matrix.T + place), closed, fill))
    return posed


def _ellipse(x: float, y: float, rx: float, ry: float, num_points: int = 28) -> np.ndarray:
    t = np.arange(num_points) * (2 * np.pi / num_points)
    return np.column_stack([x + rx * np.cos(t), y + ry * np.sin(t)])


def _arc(x: float, y: float, r: float, start: float, end: float, num_points: int = 10) -> np.ndarray:
    """Part of a circle; angles in degrees, clockwise from the right."""
    t = np.deg2rad(np.linspace(start, end, num_points))
    return np.column_stack([x + r * np.cos(t), y + r * np.sin(t)])


def _shaken(points, rng: np.random.Generator) -> np.ndarray:
    points = np.array(points, dtype=np.float64)
    return points + JITTER * rng.standard_normal(points.shape)


def _rounded(points: np.ndarray, closed: bool) -> np.ndarray:
    """Cut the corners once at a quarter of each side (Chaikin's scheme)."""
    tails, heads = _segments(points, closed)
    cut = np.stack([0.75 * tails + 0.25 * heads, 0.25 * tails + 0.75 * heads], axis=1).reshape(-1, 2)
    return cut if closed else np.vstack([points[:1], cut[1:-1], points[-1:]])


def _outline(points, rng: np.random.Generator) -> Shape:
    """A closed rounded line that hides what is behind it."""
    return Shape(_rounded(_shaken(points, rng), closed=True), closed=True, fill=0.0)


def _stroke(points, rng: np.random.Generator) -> Shape:
    return Shape(_shaken(points, rng))


def _wheel(x: float, y: float, radius: float) -> list[Shape]:
    """The part that cars and motorbikes share: a tyre, and a hub of about half its size."""
    return [
        Shape(_ellipse(x, y, radius, radius), closed=True, fill=0.0),
        Shape(_ellipse(x, y, 0.45 * radius, 0.45 * radius, 16), closed=True),
    ]


def _face(rng: np.random.Generator) -> list[Shape]:
    wide, tall = rng.uniform(0.62, 0.74), rng.uniform(0.86, 0.95)
    head = _ellipse(0, 0, wide, tall, 40)
    head[:, 0] *= 1 - rng.uniform(0.05, 0.25) * np.maximum(head[:, 1], 0)
    eye_x, eye_y = rng.uniform(0.25, 0.31), rng.uniform(-0.2, -0.1)
    eye_w, eye_h = rng.uniform(0.12, 0.16), rng.uniform(0.06, 0.1)
    brow = eye_y - eye_h - rng.uniform(0.1, 0.16)
    hair = rng.uniform(-0.62, -0.48)
    edge = wide * np.sqrt(1 - (hair / tall) ** 2)
    shapes = [Shape(_ellipse(side * wide, -0.02, 0.1, 0.18, 16), closed=True) for side in (-1, 1)]
    shapes.append(Shape(head, closed=True, fill=0.0))
    shapes.append(
        _stroke([(-edge, hair), (-0.5 * edge, hair - 0.1), (0.5 * edge, hair - 0.1), (edge, hair)], rng)
    )
    for side in (-1, 1):
        x = side * eye_x
        shapes.append(Shape(_ellipse(x, eye_y, eye_w, eye_h, 20), closed=True))
        shapes.append(Shape(_ellipse(x, eye_y, 0.03, 0.03, 8), closed=True, fill=1.0))
        shapes.append(_stroke([(x - eye_w, brow + 0.03), (x, brow - 0.02), (x + eye_w, brow + 0.03)], rng))
    tip = rng.uniform(0.2, 0.28)
    side = rng.choice([-1, 1])
    shapes.append(_stroke([(side * 0.02, eye_y + 0.06), (side * 0.1, tip), (-side * 0.06, tip + 0.03)], rng))
    mouth, smile, reach = rng.uniform(0.5, 0.56), rng.uniform(0.0, 0.14), rng.uniform(0.22, 0.3)
    x = np.linspace(-1, 1, 7)
    lips = np.column_stack([reach * x, mouth + smile * (0.4 - x**2)])
    shapes.append(Shape(lips))
    return shapes


def _car(rng: np.random.Generator) -> list[Shape]:
    roof = rng.uniform(-0.52, -0.4)
    waist = rng.uniform(-0.12, -0.05)
    floor = 0.26
    rear, front = rng.uniform(-0.62, -0.45), rng.uniform(0.42, 0.56)
    back, ahead = rear + rng.uniform(0.12, 0.24), front - rng.uniform(0.24, 0.34)
    boot = rng.uniform(-0.06, 0.02)
    body = [(-0.97, floor), (-0.97, waist + 0.02), (rear, waist + boot), (back, roof), (ahead, roof)]
    body += [(front, waist), (0.88, waist + 0.07), (0.98, waist + 0.17), (0.98, floor)]
    post = rng.uniform(-0.08, 0.02)
    sill, top = waist - 0.02, roof + 0.1
    windows = [
        [(rear + 0.1, sill), (back + 0.06, top), (post - 0.03, top), (post - 0.03, sill)],
        [(post + 0.06, sill), (post + 0.06, top), (ahead - 0.03, top), (front - 0.1, sill)],
    ]
    radius = rng.uniform(0.19, 0.24)
    shapes = [_outline(body, rng)]
    shapes += [Shape(_shaken(window, rng), closed=True) for window in windows]
    shapes.append(_stroke([(post, sill + 0.06), (post, floor - 0.04)], rng))
    shapes.append(_stroke([(post - 0.2, waist + 0.1), (post - 0.1, waist + 0.1)], rng))
    shapes.append(Shape(_ellipse(0.9, waist + 0.17, 0.05, 0.05, 10), closed=True))
    shapes += _wheel(rng.uniform(-0.6, -0.52), floor + 0.02, radius)
    shapes += _wheel(rng.uniform(0.54, 0.62), floor + 0.02, radius)
    return shapes


def _motorbike(rng: np.random.Generator) -> list[Shape]:
    radius = rng.uniform(0.3, 0.36)
    axle = 0.38
    rear, front = rng.uniform(-0.64, -0.58), rng.uniform(0.58, 0.64)
    neck_x, neck_y = rng.uniform(0.28, 0.36), rng.uniform(-0.34, -0.26)
    saddle = rng.uniform(-0.16, -0.08)
    shapes = _wheel(rear, axle, radius) + _wheel(front, axle, radius)
    shapes.append(Shape(_arc(front, axle, radius + 0.08, 215, 300)))
    shapes.append(Shape(_arc(rear, axle, radius + 0.08, 215, 320)))
    shapes.append(_stroke([(front, axle), (neck_x, neck_y)], rng))
    shapes.append(
        _stroke([(neck_x, neck_y), (neck_x - 0.04, neck_y - 0.18), (neck_x - 0.2, neck_y - 0.2)], rng)
    )
    lamp = Shape(_ellipse(neck_x + 0.16, neck_y + 0.02, 0.08, 0.09, 14), closed=True, fill=0.0)
    shapes.append(_stroke([(neck_x, neck_y + 0.1), (0.14, axle), (rear, axle)], rng))
    shapes.append(_stroke([(-0.12, 0.0), (rear, axle)], rng))
    motor = (rng.uniform(-0.02, 0.06), rng.uniform(0.18, 0.24))
    shapes.append(Shape(_ellipse(*motor, 0.17, 0.15, 20), closed=True, fill=0.0))
    shapes.append(_stroke([(motor[0] - 0.1, motor[1]), (motor[0] + 0.1, motor[1])], rng))
    tank = [
        (-0.1, -0.02),
        (-0.08, saddle - 0.1),
        (0.1, saddle - 0.18),
        (neck_x - 0.02, neck_y + 0.08),
        (0.26, -0.02),
    ]
    shapes.append(_outline(tank, rng))
    tail = rng.uniform(-0.78, -0.66)
    seat = [
        (-0.08, saddle),
        (-0.36, saddle + 0.06),
        (tail, saddle - 0.1),
        (tail + 0.02, saddle + 0.02),
        (-0.36, 0.06),
    ]
    shapes.append(_outline([*seat, (-0.1, 0.04)], rng))
    pipe = rng.uniform(0.46, 0.54)
    shapes.append(_stroke([(motor[0], motor[1] + 0.14), (-0.12, pipe), (tail - 0.1, pipe - 0.08)], rng))
    shapes.append(lamp)
    return shapes


def _aeroplane(rng: np.random.Generator) -> list[Shape]:
    thick = rng.uniform(0.11, 0.15)
    root = rng.uniform(0.1, 0.24)
    sweep, span = rng.uniform(0.34, 0.46), rng.uniform(0.42, 0.55)
    fin = rng.uniform(0.36, 0.48)
    far = [(root - 0.02, -thick), (root - 0.7 * sweep, -thick - 0.55 * span)]
    far += [(root - 0.7 * sweep - 0.13, -thick - 0.55 * span), (root - 0.3, -thick)]
    hull = [
        (0.98, 0.05),
        (0.84, -0.6 * thick),
        (0.62, -thick),
        (-0.6, -thick),
        (-0.97, -0.9 * thick),
        (-0.97, -0.5 * thick),
    ]
    hull += [(-0.6, 0.7 * thick), (-0.2, thick), (0.62, thick), (0.86, 0.9 * thick)]
    rudder = [(-0.58, -0.9 * thick), (-0.82, -thick - fin), (-0.98, -thick - fin), (-0.9, -0.7 * thick)]
    near = [
        (root, 0.35 * thick),
        (root - sweep, span),
        (root - sweep - 0.17, span),
        (root - 0.34, 0.45 * thick),
    ]
    plane = [(-0.68, 0.0), (-0.9, 0.2), (-1.0, 0.2), (-0.88, 0.0)]
    shapes = [Shape(_shaken(far, rng), closed=True), Shape(_shaken(rudder, rng), closed=True, fill=0.0)]
    shapes.append(_outline(hull, rng))
    shapes.append(_stroke([(0.66, -0.85 * thick), (0.7, -0.2 * thick), (0.9, -0.2 * thick)], rng))
    for x in np.arange(-0.52, 0.6, rng.uniform(0.13, 0.17)):
        shapes.append(Shape(_ellipse(x, -0.3 * thick, 0.015, 0.015, 6), closed=True, fill=1.0))
    pod = (root - 0.35 * sweep + 0.08, 0.42 * span + 0.06)
    shapes.append(Shape(_ellipse(*pod, 0.13, 0.06, 16), closed=True, fill=0.0))
    shapes.append(Shape(_shaken(near, rng), closed=True, fill=0.0))
    shapes.append(Shape(_shaken(plane, rng), closed=True, fill=0.0))
    return shapes


# What draws a class, the degrees that it may turn either way, and whether it may face left.
_CLASSES = {
    "face": (_face, 6.0, False),
    "car": (_car, 5.0, True),
    "motorbike": (_motorbike, 6.0, True),
    "aeroplane": (_aeroplane, 12.0, True),
}
