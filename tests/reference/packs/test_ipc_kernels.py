"""Inter-pixel capacitance from files that have a kernel for each pixel."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from mirage_dask.errors import ReferenceFileError
from mirage_dask.instruments import get_detector
from mirage_dask.reference.files.ipc_kernels import forward_kernels, inverse_kernel
from mirage_dask.reference.packs.planes import PlaneMaker

FORWARD = np.array([[0.0002, 0.006, 0.0001], [0.005, 0, 0.0055], [0.0001, 0.0065, 0.0002]])
FORWARD[1, 1] = 1 - FORWARD.sum()
WITHIN_VOID = np.array([[0, 0.004, 0], [0.003, 0, 0.0035], [0, 0.0045, 0]])
WITHIN_VOID[1, 1] = 1 - WITHIN_VOID.sum()


def test_kernels_of_pixels_are_inverted_as_one_kernel_is():
    kernels = np.empty((3, 3, 40, 50))
    kernels[:] = inverse_kernel(FORWARD)[:, :, None, None]
    kernels[:, :, :, 20:] = inverse_kernel(WITHIN_VOID)[:, :, None, None]
    found = forward_kernels(kernels, FORWARD)
    for part, inverse in ((found[..., :20], FORWARD), (found[..., 20:], WITHIN_VOID)):
        expected = inverse_kernel(inverse_kernel(inverse))
        np.testing.assert_allclose(part, np.broadcast_to(expected[:, :, None, None], part.shape), atol=1e-7)
        # The inverse is cut to 3 x 3: what that loses is the square of the coupling.
        np.testing.assert_allclose(part[..., 0, 0], inverse, atol=1e-4)


def test_kernels_that_add_the_effect_are_taken_and_undefined_ones_replaced():
    kernels = np.empty((3, 3, 4, 5))
    kernels[:] = WITHIN_VOID[:, :, None, None]
    kernels[0, 0, 1, 2] = np.nan
    kernels[:, :, 2, 3] = 0
    found = forward_kernels(kernels, FORWARD)
    expected = np.empty_like(kernels)
    expected[:] = WITHIN_VOID[:, :, None, None]
    expected[:, :, 1, 2] = expected[:, :, 2, 3] = FORWARD
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("name", ["NRCB1", "NIS"])
def test_planes_are_in_the_frame_of_the_detector(name, tmp_path):
    detector = get_detector(name)
    values = np.empty((3, 3, 2048, 2048), "f4")
    values[:] = WITHIN_VOID[:, :, None, None]
    values[:, :, 100, 30] = FORWARD
    path = tmp_path / "ipc.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(values, name="SCI")]).writeto(path)
    del values
    maker = PlaneMaker(detector, {"ipc": path})
    assert maker.has("ipc_kernels")
    planes, origin = maker.plane("ipc_kernels")
    assert (planes.shape, planes.dtype, origin) == ((9, 2048, 2048), np.float32, (0, 0))
    rows, columns = np.nonzero(planes[0])
    (row, _), (column, _) = detector.array.detector_box((100, 101), (30, 31))
    assert (rows.tolist(), columns.tolist()) == ([row], [column])
    np.testing.assert_allclose(
        planes[:, row, column].reshape(3, 3), detector.orientation.detector(FORWARD), atol=1e-7
    )
    np.testing.assert_allclose(maker.ipc(), detector.orientation.detector(WITHIN_VOID), atol=1e-6)


def test_files_of_one_kernel_give_no_planes_and_wrong_shapes_are_named(tmp_path):
    assert not PlaneMaker(get_detector("NRCB1"), {}).has("ipc_kernels")
    path = tmp_path / "one.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(FORWARD.astype("f4"), name="SCI")]).writeto(path)
    assert not PlaneMaker(get_detector("NRCB1"), {"ipc": path}).has("ipc_kernels")
    small = tmp_path / "small.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 3, 64, 64), "f4"), name="SCI")]).writeto(small)
    with pytest.raises(ReferenceFileError, match=r"small\.fits, extension SCI: its image of 64 x 64 pixels"):
        PlaneMaker(get_detector("NRCB1"), {"ipc": small}).has("ipc_kernels")
