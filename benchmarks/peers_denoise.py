"""How other packages denoise, and make labels agree with their neighbors, each in the fastest way we know."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[Any]
Labels = NDArray[Any]
CONDUCTANCE = 3.0
"""What ITK's own examples give its curvature anisotropic diffusion."""


def scipy_median(image: Gray, radius: int) -> Gray:
    """SciPy's median_filter."""
    from scipy import ndimage

    return ndimage.median_filter(image, 2 * radius + 1, mode="reflect")


def itk_median(image: Gray, radius: int) -> Gray:
    """ITK's Median through SimpleITK."""
    import SimpleITK

    found = SimpleITK.Median(SimpleITK.GetImageFromArray(image), [radius] * image.ndim)
    return SimpleITK.GetArrayFromImage(found)


def opencv_median(image: Gray, radius: int) -> Gray:
    """OpenCV's medianBlur: 2-D; 16 bits to a radius of 2."""
    import cv2

    return cv2.medianBlur(image, 2 * radius + 1)


def skimage_rank_median(image: Gray, radius: int) -> Gray:
    """scikit-image's rank.median, by a sliding histogram: 2-D, 8 bits."""
    from skimage.filters import rank

    return rank.median(image, np.ones((2 * radius + 1,) * image.ndim, np.uint8))


def skimage_nlm(image: Gray, strength: float, noise: float) -> Gray:
    """scikit-image's denoise_nl_means in its fast mode: patches of 3 voxels, a window of 7."""
    from skimage.restoration import denoise_nl_means

    gray = image.astype(np.float32)
    return denoise_nl_means(
        gray, patch_size=3, patch_distance=3, h=strength, sigma=noise, fast_mode=True, preserve_range=True
    )


def skimage_slow_nlm(image: Gray, strength: float, noise: float) -> Gray:
    """scikit-image's denoise_nl_means as it was published: the patch is weighted by a Gaussian."""
    from skimage.restoration import denoise_nl_means

    gray = image.astype(np.float32)
    return denoise_nl_means(
        gray, patch_size=3, patch_distance=3, h=strength, sigma=noise, fast_mode=False, preserve_range=True
    )


def opencv_nlm(image: Gray, strength: float, noise: float) -> Gray:  # noqa: ARG001
    """OpenCV's fastNlMeansDenoising: 2-D, no σ; with 16 bits by absolute differences, with 8 by squared ones."""
    import cv2

    norm = cv2.NORM_L2 if image.dtype == np.uint8 else cv2.NORM_L1
    return cv2.fastNlMeansDenoising(image, [strength], None, 3, 7, norm)


def opencv_bilateral(image: Gray, strength: float, sigma: float, radius: int) -> Gray:
    """OpenCV's bilateralFilter: 2-D, float32 for more than 8 bits."""
    import cv2

    return cv2.bilateralFilter(image.astype(np.float32), 2 * radius + 1, strength, sigma)


def skimage_bilateral(image: Gray, strength: float, sigma: float, radius: int) -> Gray:
    """scikit-image's denoise_bilateral: 2-D."""
    from skimage.restoration import denoise_bilateral

    gray = image.astype(np.float32) / np.float32(65535)
    found = denoise_bilateral(gray, 2 * radius + 1, strength / 65535, sigma, mode="symmetric")
    return found * np.float32(65535)


def itk_bilateral(image: Gray, strength: float, sigma: float, radius: int) -> Gray:  # noqa: ARG001
    """ITK's Bilateral through SimpleITK: 2-D and 3-D; its window reaches 2.5 σ."""
    import SimpleITK

    source = SimpleITK.GetImageFromArray(image.astype(np.float32))
    return SimpleITK.GetArrayFromImage(SimpleITK.Bilateral(source, sigma, strength, 1000))


def itk_diffusion(image: Gray, conductance: float = CONDUCTANCE, steps: int = 5) -> Gray:
    """ITK's CurvatureAnisotropicDiffusion through SimpleITK."""
    import SimpleITK

    found = SimpleITK.CurvatureAnisotropicDiffusion(
        SimpleITK.GetImageFromArray(image.astype(np.float32)),
        timeStep=0.5 / 2**image.ndim,
        conductanceParameter=conductance,
        conductanceScalingUpdateInterval=1,
        numberOfIterations=steps,
    )
    return SimpleITK.GetArrayFromImage(found)


def skimage_tv(image: Gray, strength: float, steps: int = 50) -> Gray:
    """scikit-image's denoise_tv_chambolle, all its steps."""
    from skimage.restoration import denoise_tv_chambolle

    n_rounds = steps + 1  # the first only sets out
    return denoise_tv_chambolle(image.astype(np.float32), strength, eps=0, max_num_iter=n_rounds)


def scipy_gaussian(image: Gray, sigma: float) -> Gray:
    """SciPy's gaussian_filter to float32."""
    from scipy import ndimage

    return ndimage.gaussian_filter(image, sigma, output=np.float32)


def itk_gaussian(image: Gray, sigma: float) -> Gray:
    """ITK's DiscreteGaussian through SimpleITK."""
    import SimpleITK

    source = SimpleITK.GetImageFromArray(image.astype(np.float32))
    return SimpleITK.GetArrayFromImage(SimpleITK.DiscreteGaussian(source, sigma**2))


def itk_recursive_gaussian(image: Gray, sigma: float) -> Gray:
    """ITK's SmoothingRecursiveGaussian through SimpleITK."""
    import SimpleITK

    source = SimpleITK.GetImageFromArray(image.astype(np.float32))
    return SimpleITK.GetArrayFromImage(SimpleITK.SmoothingRecursiveGaussian(source, [sigma] * image.ndim))


def opencv_gaussian(image: Gray, sigma: float) -> Gray:
    """OpenCV's GaussianBlur: 2-D."""
    import cv2

    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def numpy_icm(costs: NDArray[np.float32], labels: Labels, beta: float, sweeps: int = 5) -> Labels:
    """Iterated conditional modes over faces with NumPy, one half of a chessboard at a time.

    `costs` are what each class costs at each voxel, of shape (k, *labels.shape).
    """
    found = np.pad(labels, 1, constant_values=255)
    center = (slice(1, -1),) * labels.ndim
    sides = [
        (*center[:axis], slice(1 + step, found.shape[axis] - 1 + step), *center[axis + 1 :])
        for axis in range(labels.ndim)
        for step in (-1, 1)
    ]
    parity = sum(np.ogrid[tuple(slice(length) for length in labels.shape)]) % 2
    for _ in range(sweeps):
        for color in (0, 1):
            best, least = found[center].copy(), np.full(labels.shape, np.inf, np.float32)
            for label, cost in enumerate(costs):
                total = cost + np.float32(beta) * sum((found[side] != label).astype(np.float32) for side in sides)
                is_less = total < least
                best[is_less], least[is_less] = label, total[is_less]
            np.copyto(found[center], best, where=parity == color)
    return found[center].copy()


def maxflow_expansion(costs: NDArray[np.float32], labels: Labels, beta: float) -> Labels:
    """PyMaxflow's α-expansion over faces, until nothing changes."""
    from maxflow.fastmin import aexpansion_grid

    unary = np.ascontiguousarray(np.moveaxis(costs, 0, -1), np.float64)
    pairwise = beta * (1 - np.eye(len(costs)))
    return aexpansion_grid(unary, pairwise, labels=labels.astype(np.int64))
