"""Watercolour washes, painted by the program: the same seed always gives the same picture.

A wash is many thin, nearly transparent layers of one irregular shape, each with an edge of its own; where layers overlap
the pigment is denser, and at the edge of a pool it gathers. That is how wet paint behaves, and it is all there is to it.
"""

from __future__ import annotations

import io
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from sandbox.datadir import write_whole

Point = tuple[float, float]
PAPER = (251, 249, 243)


@dataclass(frozen=True)
class Pool:
    """One pool of paint: where (in parts of the picture), how large, of which colour, and how flat."""

    x: float
    y: float
    size: float
    colour: tuple[int, int, int]
    flat: float = 1.0
    layers: int = 22
    strength: float = 1.0


def paint(pools: Sequence[Pool], *, seed: int, width: int = 1600, height: int = 1000) -> bytes:
    """The picture as JPEG bytes."""
    chance = random.Random(seed)
    small = (width // 2, height // 2)
    picture = Image.new("RGB", small, PAPER)
    for pool in pools:
        picture = _glaze(picture, pool, chance)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    picture = ImageChops.multiply(picture, _grain(chance, (width, height)))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=84, optimize=True)
    return out.getvalue()


def _glaze(picture: Image.Image, pool: Pool, chance: random.Random) -> Image.Image:
    """Lay one pool over the picture, as paint does: by filtering light, not by covering."""
    width, height = picture.size
    base = _deformed(_blob(pool, width, height, chance), chance, rounds=2)
    density = Image.new("L", picture.size, 0)
    step = max(2, round(210 * pool.strength / pool.layers))
    for _layer in range(pool.layers):
        mask = Image.new("L", picture.size, 0)
        ImageDraw.Draw(mask).polygon(_deformed(base, chance, rounds=4, wild=0.3), fill=step)
        density = ImageChops.add(density, mask)
    density = ImageChops.multiply(density.filter(ImageFilter.GaussianBlur(1.1)), _bloom(chance, picture.size))
    inner = density.filter(ImageFilter.GaussianBlur(width / 90))
    rim = ImageChops.subtract(density, inner).point(lambda value: min(255, value * 2 // 3))
    density = ImageChops.add(density.point(lambda value: value * 4 // 5), rim)
    paint_film = Image.merge("RGB", [density.point(_filter(channel)) for channel in pool.colour])
    return ImageChops.multiply(picture, paint_film)


def _filter(channel: int):
    return lambda value: round(255 - (255 - channel) * value / 255)


def _blob(pool: Pool, width: int, height: int, chance: random.Random) -> list[Point]:
    radius = pool.size * width / 2
    corners = 11
    turn = chance.uniform(0, math.tau)
    return [
        (
            pool.x * width + math.cos(turn + math.tau * i / corners) * radius * chance.uniform(0.78, 1.15),
            pool.y * height + math.sin(turn + math.tau * i / corners) * radius * pool.flat * chance.uniform(0.78, 1.15),
        )
        for i in range(corners)
    ]


def _deformed(shape: Sequence[Point], chance: random.Random, *, rounds: int, wild: float = 0.16) -> list[Point]:
    """Every edge broken in the middle and pushed aside, a few times over."""
    points = list(shape)
    for _round in range(rounds):
        broken: list[Point] = []
        for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
            length = math.hypot(x2 - x1, y2 - y1)
            push = chance.gauss(0, wild) * length
            slide = chance.uniform(0.35, 0.65)
            middle = (x1 + (x2 - x1) * slide, y1 + (y2 - y1) * slide)
            across = (-(y2 - y1) / (length or 1), (x2 - x1) / (length or 1))
            broken += [(x1, y1), (middle[0] + across[0] * push, middle[1] + across[1] * push)]
        points = broken
    return points


def _bloom(chance: random.Random, size: tuple[int, int]) -> Image.Image:
    """Where the pigment has drifted to: large soft patches, dark and light, over smaller ones."""
    sheets = []
    for columns, rows in ((7, 5), (19, 12)):
        noise = Image.frombytes("L", (columns, rows), chance.randbytes(columns * rows))
        sheets.append(noise.resize(size, Image.Resampling.BICUBIC))
    return Image.blend(*sheets, alpha=0.35).point(lambda value: min(255, 118 + value * 2 // 3))


def _grain(chance: random.Random, size: tuple[int, int]) -> Image.Image:
    """The tooth of the paper: a soft, faint relief."""
    tile = Image.frombytes("L", (256, 256), chance.randbytes(256 * 256)).filter(ImageFilter.GaussianBlur(0.9))
    tile = tile.point(lambda value: 255 - max(0, 140 - value) // 5)
    sheet = Image.new("L", size)
    for left in range(0, size[0], 256):
        for top in range(0, size[1], 256):
            sheet.paste(tile, (left, top))
    return Image.merge("RGB", [sheet, sheet, sheet])


TEAL, INDIGO, OCHRE = (47, 130, 140), (58, 78, 132), (233, 170, 72)
ROSE, MOSS, SKY = (214, 110, 104), (112, 140, 84), (128, 184, 208)

#: name → (seed, pools). Titles and descriptions are content, see ``content/``.
PICTURES: dict[str, tuple[int, tuple[Pool, ...]]] = {
    "harbour": (
        7,
        (
            Pool(0.78, 0.22, 0.62, SKY, flat=0.55, strength=0.75),
            Pool(0.86, 0.30, 0.20, OCHRE, flat=0.9, strength=0.9),
            Pool(0.74, 0.66, 0.78, TEAL, flat=0.42, strength=0.85),
            Pool(0.93, 0.82, 0.44, INDIGO, flat=0.45, strength=0.75),
            Pool(0.60, 0.50, 0.16, MOSS, flat=0.4, strength=0.6),
            Pool(0.67, 0.84, 0.10, ROSE, flat=0.7, strength=0.7),
        ),
    ),
    "table": (
        19,
        (
            Pool(0.26, 0.34, 0.40, OCHRE, flat=0.9, strength=0.8),
            Pool(0.56, 0.58, 0.46, ROSE, flat=0.8, strength=0.7),
            Pool(0.78, 0.36, 0.36, TEAL, flat=0.95, strength=0.85),
            Pool(0.40, 0.78, 0.24, INDIGO, flat=0.8, strength=0.7),
        ),
    ),
    "drops": (
        5,
        (
            Pool(0.36, 0.46, 0.36, TEAL, flat=0.9, layers=16, strength=0.85),
            Pool(0.62, 0.42, 0.34, OCHRE, flat=0.9, layers=16, strength=0.8),
            Pool(0.52, 0.68, 0.26, ROSE, flat=0.9, layers=16, strength=0.8),
        ),
    ),
    "water": (
        3,
        (
            Pool(0.5, 0.35, 0.95, SKY, flat=0.4, strength=0.7),
            Pool(0.45, 0.65, 0.8, TEAL, flat=0.35, strength=0.75),
        ),
    ),
    "edges": (
        11,
        (
            Pool(0.36, 0.48, 0.5, ROSE, flat=0.85, strength=0.85),
            Pool(0.64, 0.52, 0.5, OCHRE, flat=0.85, strength=0.8),
        ),
    ),
    "light": (
        23,
        (
            Pool(0.5, 0.30, 0.9, OCHRE, flat=0.5, strength=0.65),
            Pool(0.62, 0.36, 0.22, ROSE, flat=1.1, strength=0.75),
            Pool(0.5, 0.80, 0.95, INDIGO, flat=0.3, strength=0.7),
        ),
    ),
    "boat": (
        31,
        (
            Pool(0.5, 0.28, 1.0, SKY, flat=0.42, strength=0.6),
            Pool(0.46, 0.74, 0.9, TEAL, flat=0.3, strength=0.8),
            Pool(0.54, 0.56, 0.28, INDIGO, flat=0.32, strength=1.0),
            Pool(0.56, 0.36, 0.2, ROSE, flat=1.25, strength=0.85),
        ),
    ),
}


def picture(name: str) -> bytes:
    """The picture called ``name`` as JPEG bytes. Raises ``KeyError`` for a name that is not in ``PICTURES``."""
    seed, pools = PICTURES[name]
    return paint(pools, seed=seed, height=900 if name == "drops" else 1000)  # it stands before a film


if __name__ == "__main__":  # python -m sandbox.school.washes FOLDER: all of them, as files
    for title in PICTURES:
        write_whole(Path(sys.argv[1]) / f"{title}.jpg", picture(title))
