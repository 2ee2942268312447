"""Citations for the methods that made labels, and what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass

from klevels.core.denoise import Filter
from klevels.core.measures import Measures
from klevels.core.palette import Palette
from klevels.recipe import Recipe


@dataclass(frozen=True)
class Citation:
    """A work to cite.

    Parameters
    ----------
    text : str
        Authors, title, journal, year.
    doi : str, optional
        Its digital object identifier.
    use : str
        What it was used for.
    """

    text: str
    doi: str | None
    use: str


CKMEANS = Citation(
    "H. Wang and M. Song, “Ckmeans.1d.dp: optimal k-means clustering in one dimension by dynamic programming”, "
    "The R Journal 3(2), 29–33, 2011.",
    "10.32614/RJ-2011-015",
    "optimal classes of gray values",
)
KMEANS = Citation(
    "D. Arthur and S. Vassilvitskii, “k-means++: the advantages of careful seeding”, SODA, 1027–1035, 2007.",
    None,
    "classes of several channels",
)
MINIMUM_ERROR = Citation(
    "J. Kittler and J. Illingworth, “Minimum error thresholding”, Pattern Recognition 19(1), 41–47, 1986.",
    "10.1016/0031-3203(86)90030-0",
    "where noise ends",
)
FILTERS = {
    "nlm": Citation(
        "A. Buades, B. Coll and J.-M. Morel, “A non-local algorithm for image denoising”, Proc. IEEE CVPR, 2005.",
        "10.1109/CVPR.2005.38",
        "denoising by non-local means",
    ),
    "diffusion": Citation(
        "R. T. Whitaker and X. Xue, “Variable-conductance, level-set curvature for image denoising”, "
        "Proc. IEEE ICIP 3, 142–145, 2001.",
        "10.1109/ICIP.2001.958071",
        "denoising by curvature anisotropic diffusion",
    ),
    "tv": Citation(
        "L. I. Rudin, S. Osher and E. Fatemi, “Nonlinear total variation based noise removal algorithms”, "
        "Physica D 60, 259–268, 1992.",
        "10.1016/0167-2789(92)90242-F",
        "denoising by total variation",
    ),
    "bilateral": Citation(
        "C. Tomasi and R. Manduchi, “Bilateral filtering for gray and color images”, Proc. ICCV, 839–846, 1998.",
        "10.1109/ICCV.1998.710815",
        "denoising by the bilateral filter",
    ),
}
BORDERS = Citation(
    "S. Schlüter, A. Sheppard, K. Brown and D. Wildenschild, “Image processing of multiphase images obtained via X-ray "
    "microtomography: A review”, Water Resources Research 50(4), 3615–3639, 2014.",
    "10.1002/2014WR015256",
    "voxels on borders",
)
POTTS = Citation(
    "J. Besag, “On the statistical analysis of dirty pictures”, J. R. Statist. Soc. B 48(3), 259–302, 1986.",
    "10.1111/j.2517-6161.1986.tb01412.x",
    "labels that agree with their neighbors (Potts model, iterated conditional modes)",
)
SILHOUETTE = Citation(
    "P. J. Rousseeuw, “Silhouettes: a graphical aid to the interpretation and validation of cluster analysis”, "
    "J. Comput. Appl. Math. 20, 53–65, 1987.",
    "10.1016/0377-0427(87)90125-7",
    "advice on the number of classes",
)
SURFACES = Citation(
    "D. Coeurjolly, F. Flin, O. Teytaud and L. Tougne, “Multigrid convergence and surface area estimation”, "
    "Geometry, Morphology, and Computational Imaging, LNCS 2616, 101–119, 2003.",
    "10.1007/3-540-36586-9_7",
    "surface areas",
)
MARCHING_CUBES = Citation(
    "W. E. Lorensen and H. E. Cline, “Marching cubes: a high resolution 3D surface construction algorithm”, "
    "Computer Graphics 21(4), 163–169, 1987.",
    "10.1145/37402.37422",
    "surfaces in the pictures in three dimensions",
)


def citations(
    recipe: Recipe | None, model: object, measures: Measures, *, swept: bool, pictured: bool
) -> tuple[Citation, ...]:
    """Return what to cite for the methods that were used, and for no others.

    Parameters
    ----------
    recipe : Recipe or None
        What was asked; None where it is unknown.
    model : Levels, Palette or None
        What was found.
    measures : Measures
        What was measured.
    swept : bool
        Whether numbers of classes were compared.
    pictured : bool
        Whether there are pictures of surfaces.

    Returns
    -------
    tuple of Citation
        In the order of the work.
    """
    found: list[Citation] = []
    if recipe is not None:
        if isinstance(recipe.denoise, Filter) and recipe.denoise.method in FILTERS:
            found.append(FILTERS[recipe.denoise.method])
        if recipe.noise == "minimum-error":
            found.append(MINIMUM_ERROR)
    if model is not None:
        found.append(KMEANS if isinstance(model, Palette) else CKMEANS)
    if recipe is not None:
        found += [BORDERS] if recipe.borders is not None else []
        found += [POTTS] if recipe.smooth else []
    if swept:
        found += [SILHOUETTE] if model is not None else [CKMEANS, SILHOUETTE]
    if "surface_area" in measures.phases.columns:
        found.append(SURFACES)
    if pictured:
        found.append(MARCHING_CUBES)
    return tuple(found)
