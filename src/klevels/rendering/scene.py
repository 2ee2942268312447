"""A scene of surfaces, drawn by VTK on a processor, without a screen."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from klevels.core.mesh import Mesh
from klevels.errors import MissingDependencyError

FINER = 2
"""Pictures are drawn so many times larger, and shrunk: edges are smooth."""
MARGIN = 1.06
MOST_PEELS = 12
"""So many surfaces behind each other shine through."""
FRAME = (0.6, 0.6, 0.6)
LIGHTS = (((-0.5, 0.9, 1.0), 0.7), ((0.6, 0.1, 1.0), 0.4))
"""Where they are, as the camera sees it: to the right, up and toward it; and how strong. One is above, where the eye
expects it, and a weaker one lights what it does not reach."""
AMBIENT, DIFFUSE, SPECULAR = 0.3, 0.75, 0.08
OSMESA = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")


class Scene:
    """Surfaces, seen in parallel projection.

    Parameters
    ----------
    meshes : sequence of Mesh
        The surfaces, in one unit.
    colors : ndarray of uint8, shape (n, 3)
        One for each.
    opacities : sequence of float
        One for each, from 0 to 1.
    box : sequence of float
        The ends of the volume along z, y and x: what the picture shows, however much of it is empty.
    size : tuple of int
        Width and height in pixels.

    Raises
    ------
    MissingDependencyError
        If VTK, or what it draws with, is not installed.
    """

    def __init__(
        self,
        meshes: Sequence[Mesh],
        colors: NDArray[np.uint8],
        opacities: Sequence[float],
        box: Sequence[tuple[float, float]],
        size: tuple[int, int],
    ) -> None:
        self._size = size
        self._box = np.array(box[::-1], np.float64)
        self._window = _window()
        from vtkmodules.vtkRenderingCore import vtkRenderer

        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetAlphaBitPlanes(1)
        self._window.SetSize(FINER * size[0], FINER * size[1])
        self._renderer = vtkRenderer()
        self._renderer.SetBackground(1.0, 1.0, 1.0)
        if min(opacities, default=1.0) < 1:
            self._renderer.SetUseDepthPeeling(1)
            self._renderer.SetMaximumNumberOfPeels(MOST_PEELS)
        self._window.AddRenderer(self._renderer)
        _light(self._renderer)
        for mesh, color, opacity in zip(meshes, colors, opacities, strict=True):
            self._renderer.AddActor(_actor(mesh, color, opacity))
        self._renderer.AddActor(_frame(self._box))

    def draw(self, azimuth: float, elevation: float, *, is_turned: bool = False) -> tuple[NDArray[np.uint8], float]:
        """Draw the scene from one side.

        Parameters
        ----------
        azimuth : float
            Degrees around z, from where x points to the right.
        elevation : float
            Degrees above the plane of x and y.
        is_turned : bool
            Whether the scale is one at which the volume fits from all sides.

        Returns
        -------
        picture : ndarray of uint8, shape (height, width, 3)
            Red, green, blue.
        scale : float
            Pixels for each unit of length.
        """
        from vtkmodules.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

        half = self._look(azimuth, elevation, is_turned)
        self._window.Render()
        grab = vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        width, height = self._size
        values = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        fine = values.reshape(height, FINER, width, FINER, 3)[::-1, ::-1].astype(np.float32)
        return np.rint(fine.mean(axis=(1, 3))).astype(np.uint8), height / (2 * half)

    def _look(self, azimuth: float, elevation: float, is_turned: bool) -> float:
        """Place the camera, and return half the height of what it sees."""
        turn, rise = math.radians(azimuth), math.radians(elevation)
        toward = np.array([math.sin(turn) * math.cos(rise), -math.cos(turn) * math.cos(rise), math.sin(rise)])
        right = np.array([math.cos(turn), math.sin(turn), 0.0])
        up = np.cross(toward, right)
        middle, half_sizes = self._box.mean(axis=1), np.diff(self._box, axis=1)[:, 0] / 2
        reach = float(np.linalg.norm(half_sizes))
        across, along = float(np.abs(right) @ half_sizes), float(np.abs(up) @ half_sizes)
        if is_turned:
            across = float(np.hypot(half_sizes[0], half_sizes[1]))
            along = across * abs(math.sin(rise)) + half_sizes[2] * math.cos(rise)
        half = MARGIN * max(along, across * self._size[1] / self._size[0])
        camera = self._renderer.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetParallelScale(half)
        camera.SetFocalPoint(*middle)
        camera.SetPosition(*(middle + 4 * reach * toward))
        camera.SetViewUp(*up)
        camera.SetClippingRange(reach, 7 * reach)
        return half


def _window() -> Any:
    """Return a window of VTK that needs no screen, and never one that would end the process."""
    try:
        import vtkmodules.vtkRenderingOpenGL2 as opengl
        from vtkmodules.vtkRenderingCore import vtkRenderWindow
    except ImportError as error:
        raise MissingDependencyError('pictures in 3-D need VTK; pip install "klevels[render]"') from error
    if not sys.platform.startswith("linux"):
        return vtkRenderWindow()
    if _has_egl() and hasattr(opengl, "vtkEGLRenderWindow"):
        return opengl.vtkEGLRenderWindow()
    if any(_library(name) is not None for name in OSMESA) and hasattr(opengl, "vtkOSOpenGLRenderWindow"):
        return opengl.vtkOSOpenGLRenderWindow()
    raise MissingDependencyError(
        "pictures in 3-D need EGL or OSMesa to draw without a screen; apt-get install libegl1 libgl1-mesa-dri, or "
        "libosmesa6"
    )


def _has_egl() -> bool:
    """Tell whether EGL is there and has something to draw with: without it, VTK would end the process."""
    library = _library("libEGL.so.1")
    if library is None:
        return False
    find = library.eglGetProcAddress
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    address = find(b"eglQueryDevicesEXT")
    if not address:
        return False
    n_devices = ctypes.c_int(0)
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(address)
    return bool(query(0, None, ctypes.byref(n_devices))) and n_devices.value > 0


def _library(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _actor(mesh: Mesh, color: NDArray[np.uint8], opacity: float) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkPolyDataNormals
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    points, cells, polygons = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(mesh.vertices[:, ::-1]), deep=True))
    cells.SetData(3, numpy_to_vtk(np.ascontiguousarray(mesh.faces[:, ::-1]).reshape(-1), deep=True))
    polygons.SetPoints(points)
    polygons.SetPolys(cells)
    normals = vtkPolyDataNormals()
    normals.SetInputData(polygons)
    normals.SplittingOff()
    normals.ConsistencyOff()
    mapper = vtkPolyDataMapper()
    mapper.SetInputConnection(normals.GetOutputPort())
    actor = vtkActor()
    actor.SetMapper(mapper)
    look = actor.GetProperty()
    look.SetColor(*(float(one) / 255 for one in color))
    look.SetOpacity(opacity)
    look.SetAmbient(AMBIENT)
    look.SetDiffuse(DIFFUSE)
    look.SetSpecular(SPECULAR)
    return actor


def _light(renderer: Any) -> None:
    from vtkmodules.vtkRenderingCore import vtkLight

    renderer.AutomaticLightCreationOff()
    for place, strength in LIGHTS:
        light = vtkLight()
        light.SetLightTypeToCameraLight()
        light.SetPosition(*place)
        light.SetFocalPoint(0, 0, 0)
        light.SetIntensity(strength)
        renderer.AddLight(light)


def _frame(box: NDArray[np.float64]) -> Any:
    from vtkmodules.vtkFiltersSources import vtkOutlineSource
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    outline = vtkOutlineSource()
    outline.SetBounds(*box.reshape(-1))
    mapper = vtkPolyDataMapper()
    mapper.SetInputConnection(outline.GetOutputPort())
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*FRAME)
    actor.GetProperty().SetLighting(False)
    actor.GetProperty().SetLineWidth(FINER)
    return actor
