"""Color quantization by k-means: the steps of scikit-learn's well-known example; only the import of KMeans differs.

    python examples/vector_quantization.py [PHOTO] [--output posters]

Each pixel is a sample of three features. k-means finds the colors that stand for all others best, the codebook; each
pixel keeps the number of its nearest color, and the poster is painted from codebook and numbers. Without a photograph,
the example paints a sunset and quantizes that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from klevels import KMeans

N_COLORS = (4, 8, 16, 32, 64)


def main() -> None:
    """Write a poster for each number of colors, and a sheet of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", type=Path, help="an image file; without it, a sunset is painted")
    parser.add_argument("--output", type=Path, default=Path("posters"), help="the folder for the posters")
    parser.add_argument("--width", type=int, default=480, help="of the sunset, in pixels")
    parser.add_argument("--sample", type=int, default=10_000, help="fit on so many random pixels; 0: on all of them")
    given = parser.parse_args()

    if given.photo is None:
        original = sunset(given.width, given.width * 2 // 3)
    else:
        original = np.asarray(Image.open(given.photo).convert("RGB"))
    given.output.mkdir(parents=True, exist_ok=True)
    Image.fromarray(original).save(given.output / "original.png", optimize=True)
    posters = {}
    for n_colors in N_COLORS:
        poster = quantize(original, n_colors, given.sample)
        # No more colors than 256, so the file can hold a palette and small numbers.
        Image.fromarray(poster).quantize(256, dither=Image.Dither.NONE).save(given.output / f"poster-{n_colors}.png")
        error = np.mean(np.sum((poster.astype(float) - original) ** 2, axis=-1))  # summed over red, green and blue
        print(f"{n_colors:3d} colors: mean squared error {error:8.2f}")
        posters[f"{n_colors} colors"] = poster
    sheet({"original": original, **posters}).save(given.output / "sheet.png", optimize=True)
    print(f"posters in {given.output}")


def quantize(image: np.ndarray, n_colors: int, n_sample: int) -> np.ndarray:
    """Return the image in its `n_colors` best colors."""
    pixels = image.reshape(-1, 3).astype(np.float64) / 255
    sample = pixels
    if 0 < n_sample < len(pixels):
        sample = np.random.default_rng(0).choice(pixels, n_sample, replace=False)
    kmeans = KMeans(n_clusters=n_colors, n_init="auto", random_state=0).fit(sample)
    labels = kmeans.predict(pixels)
    codebook = kmeans.cluster_centers_
    return np.rint(codebook[labels].reshape(image.shape) * 255).astype(np.uint8)


def sheet(pictures: dict[str, np.ndarray]) -> Image.Image:
    """Return the pictures side by side, three in a row, with their names below."""
    height, width = next(iter(pictures.values())).shape[:2]
    gap, line = 12, 26
    n_rows = -(-len(pictures) // 3)
    page = Image.new("RGB", (3 * (width + gap) + gap, n_rows * (height + gap + line) + gap), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    for i, (name, picture) in enumerate(pictures.items()):
        left, top = gap + i % 3 * (width + gap), gap + i // 3 * (height + gap + line)
        page.paste(Image.fromarray(picture), (left, top))
        draw.text((left + width / 2, top + height + line / 2 + 2), name, "black", font, anchor="mm")
    return page


def sunset(width: int, height: int) -> np.ndarray:
    """Paint the sun going down behind hills, over a lake."""
    rng = np.random.default_rng(7)
    x, y = np.meshgrid(np.linspace(0, 1.5, width), np.linspace(0, 1, height))
    shore, sun = 0.62, (0.97, 0.47)
    water = y > shore
    # The lake mirrors what is above the shore; ripples grow toward the viewer.
    depth = np.clip((y - shore) / (1 - shore), 0, 1)
    ripple = np.sin(90 * np.sqrt(depth + 0.02) * 2.2 + 5 * np.sin(9 * x + 14 * depth)) * depth
    seen_x = x + np.where(water, 0.018 * ripple, 0)
    seen_y = np.where(water, np.clip(shore - 0.95 * (y - shore) - 0.03 * ripple, 0, shore), y)

    sky = np.array([[26, 26, 74], [74, 44, 116], [168, 66, 124], [238, 108, 92], [255, 172, 84], [255, 224, 150]])
    stops = np.array([0.0, 0.16, 0.30, 0.42, 0.53, 0.62])
    picture = np.stack([np.interp(seen_y, stops, sky[:, channel]) for channel in range(3)], axis=-1)

    distance = np.hypot(seen_x - sun[0], seen_y - sun[1])
    picture = _mix(picture, (255, 214, 140), 0.75 * np.exp(-((distance / 0.20) ** 2)))
    streaks = _noise(rng, seen_x / 0.32, seen_y / 0.035) + 0.5 * _noise(rng, seen_x / 0.11, seen_y / 0.016)
    cloud = np.clip((streaks - 0.78) * 2.4, 0, 1) * np.exp(-(((seen_y - 0.24) / 0.17) ** 2))
    lit = np.exp(-((distance / 0.45) ** 2))[..., None]
    picture = _mix(picture, (1 - lit) * (118, 62, 128) + lit * (255, 150, 110), 0.85 * cloud)
    picture = _mix(picture, (255, 246, 214), np.clip((0.062 - distance) * height / 1.5, 0, 1))

    hills = ((0.475, 0.13, 0.5, (156, 84, 128)), (0.525, 0.10, 0.33, (104, 58, 112)), (0.575, 0.07, 0.24, (58, 40, 88)))
    for base, rise, length, color in hills:
        ridge = base + rise * (0.5 - sum(_noise(rng, x[0] / (length / 2**i), i) / 2**i for i in range(5)) / 2)
        above = np.interp(seen_x, x[0], ridge)
        haze = np.clip((seen_y - above) / 0.16, 0, 1)[..., None] * 0.35
        picture = _mix(picture, (1 - haze) * color + haze * np.array((250, 150, 110)), (seen_y - above) * height)

    picture = np.where(water[..., None], _mix(picture, (58, 30, 84), 0.16 + 0.26 * depth), picture)
    glitter = np.exp(-(((x - sun[0]) / (0.03 + 0.13 * depth)) ** 2)) * np.clip(ripple / (depth + 0.05) - 0.25, 0, 1)
    picture = _mix(picture, (255, 216, 140), np.where(water, glitter, 0))
    return np.rint(np.clip(_with_firs(picture, rng, x, y), 0, 255)).astype(np.uint8)


def _with_firs(picture: np.ndarray, rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    height = len(picture)
    bank = 0.93 + 0.05 * np.cos(2.1 * x) + 0.01 * _noise(rng, x / 0.02, 0)
    cover = np.clip((y - bank) * height, 0, 1)
    for root, tall in ((0.07, 0.50), (0.17, 0.36), (0.25, 0.44), (0.34, 0.24), (1.38, 0.40), (1.46, 0.52)):
        top = 0.96 - tall
        down = np.clip((y - top) / tall, 0, 1)
        boughs = 0.55 + 0.45 * ((down * 11) % 1)
        width = 0.17 * tall * down * boughs + 0.003
        cover = np.maximum(cover, np.clip((width - np.abs(x - root)) * height, 0, 1) * (y > top))
    return _mix(picture, (18, 16, 38), cover)


def _mix(picture: np.ndarray, color: object, share: np.ndarray) -> np.ndarray:
    return picture + (np.asarray(color) - picture) * np.clip(share, 0, 1)[..., None]


def _noise(rng: np.random.Generator, u: np.ndarray, v: np.ndarray | float) -> np.ndarray:
    """Return smooth random values from 0 to 1 at (u, v)."""
    lattice = rng.random((128, 128))
    u, v = np.broadcast_arrays(np.asarray(u, float), np.asarray(v, float))
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)
    s, t = (w * w * (3 - 2 * w) for w in (u - i, v - j))
    corners = [lattice[(i + a) % 128, (j + b) % 128] for a in (0, 1) for b in (0, 1)]
    return (1 - s) * ((1 - t) * corners[0] + t * corners[1]) + s * ((1 - t) * corners[2] + t * corners[3])


if __name__ == "__main__":
    main()
