"""Libraries that include inter-pixel capacitance: it is counted once, in PSFs and in cosmic rays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage
from support.reference_set import EXPOSURE, builtin

import mirage_dask as md
from mirage_dask.detector.effects import switched_effects
from mirage_dask.exposure.references import open_references
from mirage_dask.exposure.simulate import simulate_window
from mirage_dask.instruments import get_detector
from mirage_dask.pointing import SkyProjection
from mirage_dask.psf.coupling import STEPS, uncoupled
from mirage_dask.psf.library import PsfLibrary
from mirage_dask.reference.files.cosmic_rays import LEAST, CosmicRayTemplates, read_cosmic_rays
from mirage_dask.reference.files.ipc_kernels import ipc_kernel
from mirage_dask.reference.packs.builder import ReferenceFiles, build_pack
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.reference.sources import psf_library
from mirage_dask.scene.layers import View, open_layers
from mirage_dask.spec import Window

KERNEL = ipc_kernel(get_detector("NRCB1"))
SKEWED = np.array([[0.0, 0.004, 0.001], [0.006, 0.971, 0.008], [0.001, 0.007, 0.002]])


def coupled(images, kernel, step=1):
    """Apply a kernel whose neighbours are `step` samples away, independently of the package."""
    spread = np.zeros((2 * step + 1, 2 * step + 1))
    spread[::step, ::step] = kernel
    return np.stack([ndimage.convolve(image.astype(float), spread, mode="constant") for image in images])


@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize("kernel", [KERNEL, SKEWED])
def test_removing_undoes_applying(kernel, step):
    images = np.zeros((2, 64, 64))
    images[:, 20:-20, 20:-20] = np.random.default_rng(3).exponential(1e3, (2, 24, 24))
    found = uncoupled(coupled(images, kernel, step), kernel, step=step)
    assert np.abs(found - images).max() < 0.06**STEPS * images.max() + 1e-9


@pytest.fixture(scope="module")
def stars(tmp_path_factory):
    """The built-in PSF of NRCB1 F150W, plain, and in a folder of its own as stpsf writes one that includes IPC."""
    builtin()
    folder = tmp_path_factory.mktemp("psf")
    plain, _ = psf_library(["builtin"], **{name: EXPOSURE[name] for name in ("detector", "filter", "pupil")})
    core, wings = folder / plain.core.name, folder / "psf_wings" / plain.wings.name
    wings.parent.mkdir()
    with fits.open(plain.core) as hdus:
        hdus[0].data = coupled(hdus[0].data, KERNEL, hdus[0].header["OVERSAMP"]).astype(np.float32)
        hdus[0].header["IPCINST"] = "NIRCam"
        hdus.writeto(core)
    with fits.open(plain.wings) as hdus:
        hdus["DET_DIST"].data = coupled(hdus["DET_DIST"].data[None], KERNEL)[0].astype(np.float32)
        hdus["DET_DIST"].header["IPCINST"] = "NIRCam"
        hdus[0].header["IPCINST"] = "NIRCam"
        hdus.writeto(wings)
    return plain, core, wings


def test_psfs_without_their_coupling(stars):
    """Within 2e-6 of the star's light in each pixel, which is the rounding of the file."""
    plain, core, wings = stars
    expected = PsfLibrary.from_fits(plain.core, plain.wings)
    y, x = np.mgrid[-60:61, -60:61] + 1000
    stamp = expected.evaluate(x, y, 1000.3, 999.8)
    kept = PsfLibrary.from_fits(core, wings)
    assert kept.ipc_included
    assert stamp.max() - kept.evaluate(x, y, 1000.3, 999.8).max() > 100 * 2e-6
    found = PsfLibrary.from_fits(core, wings, ipc=KERNEL)
    assert not found.ipc_included
    np.testing.assert_allclose(found.evaluate(x, y, 1000.3, 999.8), stamp, atol=2e-6)
    # A library without IPC stays as it is.
    again = PsfLibrary.from_fits(plain.core, plain.wings, ipc=KERNEL)
    assert np.array_equal(again.core, expected.core)
    assert np.array_equal(again.wings, expected.wings)


def test_stars_are_coupled_once_by_the_chain(stars, tmp_path):
    """Linear DN of a PSF with IPC = those of one without, coupled once: within 2e-5 of the brightest pixel."""
    _, core, wings = stars
    catalog = tmp_path / "stars.cat"
    lines = [
        "# position_pixels",
        "# abmag",
        "index x_or_RA y_or_Dec nircam_f150w_magnitude nircam_f444w_magnitude",
    ]
    lines += [f"{k} {60.3 + 41.7 * k} {72.6 + 33.1 * k} 19 19" for k in range(3)]
    catalog.write_text("\n".join(lines) + "\n")
    proposal = md.open_proposal(md.example_proposal(), background=0, catalogs={"point_source": str(catalog)})
    name = proposal.table.query("detector == 'NRCB1' and filter == 'F150W'")["name"].iloc[0]
    plan = proposal.prepare(name)
    spec = plan.spec(plan.row(name))
    spec = replace(spec, layers=tuple(layer for layer in spec.layers if layer[0] == "point_source"))
    plain = open_references(spec, plan.url)
    view = View(
        tables=f"{plan.url}/sources",
        projection=SkyProjection.of(spec.attitude, plain.pack.distortion),
        bounds=(spec.x0, spec.x0 + spec.nx, spec.y0, spec.y0 + spec.ny),
        psf=lambda _: PsfLibrary.from_fits(core, wings, ipc=KERNEL),
    )
    own = replace(plain, light=open_layers(spec.layers, view))
    linear = {}
    for which, references in (("plain", plain), ("own", own)):
        for effects in ((), ("ipc",)):
            switched = replace(spec, switched=switched_effects(effects))
            window = Window((0, 1), (0, 1), (0, 160), (0, 160))
            found = simulate_window(switched, references, window, want=("linear",))["linear"][0, 0]
            linear[which, bool(effects)] = found.astype(float)
    once = coupled(linear["plain", False][None], KERNEL)[0]
    inside = np.s_[5:-5, 5:-5]  # without reference pixels
    tolerance = 2e-5 * once.max()
    assert once.max() > 100
    assert np.abs(linear["plain", True] - once)[inside].max() < tolerance
    assert np.abs(linear["own", True] - once)[inside].max() < tolerance
    twice = coupled(once[None], KERNEL)[0]
    assert np.abs(twice - once)[inside].max() > 100 * tolerance


def write_rays(folder, name, stamps):
    path = folder / name
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(stamps.astype(np.float32))]).writeto(path)
    return path


def dense(templates: CosmicRayTemplates) -> np.ndarray:
    images = np.zeros((len(templates), 21, 21))
    for s in range(len(templates)):
        part = slice(templates.start[s], templates.start[s + 1])
        images[s, templates.dy[part] + 10, templates.dx[part] + 10] = templates.electrons[part]
    return images


@pytest.fixture
def rays(tmp_path):
    """Tracks without coupling, and the file of Mirage's naming that has them with it."""
    random = np.random.default_rng(4)
    stamps = np.zeros((50, 21, 21))
    for image in stamps:
        for k in range(random.integers(1, 6)):
            image[10 + k // 2, 10 + k] = random.exponential(4000.0) + 50.0
    name = "CRs_MCD1.7_SUNMIN_00_IPC_NIRCam_B1.fits"
    return stamps, write_rays(tmp_path, name, coupled(stamps, KERNEL))


def test_cosmic_rays_without_their_coupling(rays):
    """Within the rounding of the file; so is the number of pixels of a track, which coupling makes five times as many."""
    stamps, path = rays
    found = read_cosmic_rays([path], ipc=KERNEL)
    assert not found.ipc_included
    np.testing.assert_allclose(dense(found), stamps, atol=0.01)
    assert found.electrons.size == np.count_nonzero(stamps) < 0.4 * read_cosmic_rays([path]).electrons.size


def test_a_library_of_another_kernel_is_read_out_as_it_is(rays, tmp_path):
    """Coupled by the chain, it is the file's stamp, within the least deposit that is kept."""
    stamps, _ = rays
    weaker = ipc_kernel(replace(get_detector("NRCB1"), ipc=0.004))
    path = write_rays(tmp_path, "CRs_MCD1.7_SUNMIN_01_IPC_NIRCam_B1.fits", coupled(stamps, weaker))
    found = dense(read_cosmic_rays([path], ipc=KERNEL))
    assert found.min() < -LEAST
    np.testing.assert_allclose(coupled(found, KERNEL), coupled(stamps, weaker), atol=LEAST)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), stamps.sum(axis=(1, 2)), atol=8 * LEAST)


def test_packs_hold_libraries_without_coupling(rays, stars, tmp_path):
    """With the kernel of their own IPC file, and in the frame of the files: NIRISS is read along y."""
    stamps, path = rays
    kernel = np.array([[0.0, 0.003, 0.0], [0.008, 0.978, 0.008], [0.0, 0.003, 0.0]])
    own = tmp_path / "ipc.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(kernel.astype(np.float32), name="SCI")]).writeto(own)
    plain, core, _ = stars
    with fits.open(plain.core) as hdus:
        hdus[0].data = coupled(hdus[0].data, kernel, hdus[0].header["OVERSAMP"]).astype(np.float32)
        hdus[0].header["IPCINST"] = "NIRISS"
        hdus.writeto(tmp_path / core.name)
    ray = write_rays(tmp_path, f"turned_{path.name}", coupled(stamps, kernel.T))
    url = str(tmp_path / "packs")
    files = ReferenceFiles(
        {"ipc": own}, "CLEAR", "F150W", psf_core=tmp_path / core.name, cosmic_rays={"SUNMIN": (ray,)}
    )
    pack = ReferencePack.open(url, build_pack(files, "NIS", url))
    np.testing.assert_allclose(dense(pack.cosmic_rays("SUNMIN")), stamps, atol=0.01)
    y, x = np.mgrid[-20:21, -20:21] + 1000
    stamp = PsfLibrary.from_fits(plain.core).evaluate(x, y, 1000.0, 1000.0)
    np.testing.assert_allclose(pack.psf().evaluate(x, y, 1000.0, 1000.0), stamp, atol=2e-6)
