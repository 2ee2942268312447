"""DICOM files made on the spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

OBLIQUE = (0.6, 0.8, 0.0, 0.0, 0.0, -1.0)
"""Directions whose normal, (-0.8, 0.6, 0), is no axis of the patient."""


def dataset(pixels: NDArray[Any], elements: Mapping[str, Any] | None = None) -> Dataset:
    """Return a slice, or frames, of CT; `elements` are added, and those that are None are taken out."""
    data = Dataset()
    data.SOPClassUID = CTImageStorage
    data.SOPInstanceUID = pydicom.uid.generate_uid()
    data.Modality = "CT"
    data.PatientName = "Doe^Jane"
    data.PatientID = "secret-17"
    data.SeriesInstanceUID = "1.2.3"
    data.SeriesNumber = 4
    is_color = pixels.shape[-1] == 3
    *n_frames, data.Rows, data.Columns = pixels.shape[:-1] if is_color else pixels.shape
    if n_frames:
        data.NumberOfFrames = n_frames[0]
    data.SamplesPerPixel = 3 if is_color else 1
    data.PhotometricInterpretation = "RGB" if is_color else "MONOCHROME2"
    if is_color:
        data.PlanarConfiguration = 0
    data.BitsAllocated = 8 * pixels.itemsize
    data.BitsStored = data.BitsAllocated
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.PixelSpacing = [0.5, 0.25]
    data.ImagePositionPatient = [0, 0, 0]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    for name, value in (elements or {}).items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    return data


def write_dicom(
    path: Path,
    pixels: NDArray[Any],
    elements: Mapping[str, Any] | None = None,
    *,
    syntax: UID = ExplicitVRLittleEndian,
    codes: Sequence[bytes] | None = None,
) -> Path:
    """Write a file; `codes` are its compressed frames."""
    data = dataset(pixels, elements)
    order = "<" if syntax.is_little_endian else ">"
    if pixels.dtype.kind == "f":
        name = "FloatPixelData" if pixels.itemsize == 4 else "DoubleFloatPixelData"
        setattr(data, name, pixels.astype(pixels.dtype.newbyteorder(order)).tobytes())
    elif codes is None:
        values = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        data.PixelData = values + b"\0" * (len(values) % 2)
        data["PixelData"].VR = "OB" if pixels.itemsize == 1 and not syntax.is_implicit_VR else "OW"
    else:
        data.PixelData = encapsulate(list(codes))
        data["PixelData"].VR = "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    volume: NDArray[Any],
    *,
    step: float = 2.0,
    directions: Sequence[float] = OBLIQUE,
    names: Sequence[str] | None = None,
    elements: Sequence[Mapping[str, Any]] | None = None,
) -> list[Path]:
    """Write the slices of a volume, one behind the other along the normal of their plane."""
    folder.mkdir(exist_ok=True)
    normal = np.cross(directions[:3], directions[3:])
    files = []
    for i, values in enumerate(volume):
        place = {
            "ImagePositionPatient": [round(float(x), 9) for x in np.array([10, -20, 30]) + i * step * normal],
            "ImageOrientationPatient": list(directions),
        }
        name = names[i] if names else f"{i:03}.dcm"
        files.append(write_dicom(folder / name, values, place | dict(elements[i] if elements else {})))
    return files
