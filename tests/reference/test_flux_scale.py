"""The flux scale: DN/s is what was measured, with any gain, and a PHOTOM that is not ours gives the flux back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits
from support.reference_set import builtin

import mirage_dask as md
from mirage_dask.instruments import detectors_of, get_detector, get_zeropoint
from mirage_dask.reference.packs.builder import ReferenceFiles, build_pack
from mirage_dask.reference.packs.pack import ReferencePack
from mirage_dask.scene.catalogs import read_catalog
from mirage_dask.scene.sky.background import background_rate
from mirage_dask.scene.sources import point_source_table


@dataclass(frozen=True)
class Measured:
    """One detector in F200W (SHORT) or F444W (LONG)."""

    photmjsr: float
    """MJy/sr per DN/s of context jwst_1293.pmap, in flight (grizli c3f99a3, data/jwst_zeropoints.yml)."""
    pixar_sr: float
    """sr, ibid."""
    photfnu: float
    """erg/s/cm2/Hz per DN/s of Mirage 2.4.0 (NIRCam_zeropoints.list)."""
    gain: float
    """e-/DN of JDox, NIRCam Detector Performance."""


NIRCAM = {
    "NRCA1": Measured(1.964, 2.24e-14, 4.4058412e-31, 2.08),
    "NRCA2": Measured(2.100, 2.23e-14, 4.67586e-31, 2.02),
    "NRCA3": Measured(1.896, 2.26e-14, 4.2938712e-31, 2.17),
    "NRCA4": Measured(1.829, 2.25e-14, 4.1075682e-31, 2.02),
    "NRCA5": Measured(0.402, 9.21e-14, 3.7021788e-31, 1.84),
    "NRCB1": Measured(2.056, 2.23e-14, 4.5682264e-31, 2.01),
    "NRCB2": Measured(1.969, 2.29e-14, 4.5040875e-31, 2.14),
    "NRCB3": Measured(1.958, 2.25e-14, 4.3863116e-31, 1.94),
    "NRCB4": Measured(1.797, 2.31e-14, 4.1451399e-31, 2.03),
    "NRCB5": Measured(0.371, 9.24e-14, 3.4270754e-31, 1.80),
}
MAGNITUDE = 20.0
FLUX = 10 ** (-0.4 * (MAGNITUDE + 48.599934378))
"""erg/s/cm2/Hz."""


def optics(detector: str) -> tuple[str, str, str]:
    return detector, "F444W" if detector.endswith("5") else "F200W", "CLEAR"


def write_photom(path, detector, *, pixar=True):
    """Write the PHOTOM of the observatory."""
    known, (_, filter_, pupil) = NIRCAM[detector], optics(detector)
    row = [("F070W", "CLEAR", 9.0, 0.0), (filter_, pupil, known.photmjsr, 0.0)]
    kind = [("filter", "S12"), ("pupil", "S12"), ("photmjsr", "f4"), ("uncertainty", "f4")]
    primary = fits.PrimaryHDU()
    if pixar:
        primary.header["PIXAR_SR"] = known.pixar_sr
    table = fits.BinTableHDU(np.array(row, dtype=kind), name="PHOTOM")
    fits.HDUList([primary, table]).writeto(path)
    return path


def write_gain(path, detector, level):
    """Write a gain map of the user's own: its level, and a step between its halves."""
    gain = np.full((2048, 2048), np.float32(level * get_detector(detector).gain))
    gain[:, :1024] *= np.float32(1.1)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(gain, name="SCI")]).writeto(path)
    return path


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    path = tmp_path_factory.mktemp("catalog") / "stars.cat"
    path.write_text(
        f"# abmag\nindex x_or_RA y_or_Dec nircam_f200w_magnitude nircam_f444w_magnitude\n1 10 10 {MAGNITUDE} {MAGNITUDE}\n"
    )
    return read_catalog(path, "point_source")


def signal(pack: ReferencePack, catalog) -> float:
    """DN/s of the star, flat-fielded: electrons of the seed, over the gain and the flat of each pixel, mean of pixels."""
    names = (pack.meta["detector"], pack.meta["filter"], pack.meta["pupil"])
    electrons = float(point_source_table(catalog, *names, zeropoint=pack.zeropoint).flux[0])
    box = slice(1000, 1050), slice(1000, 1050)  # of both halves of the gain map
    dn = electrons * pack.plane("response", *box) * pack.plane("inverse_gain", *box)
    flat = pack.meta["mean_gain"] * pack.plane("inverse_gain", *box)  # with QE 1 and area 1
    return float((dn / flat).mean(dtype=np.float64))


def test_one_gain_for_each_detector():
    assert {d.name: d.gain for d in detectors_of("NIRCAM")} == {n: m.gain for n, m in NIRCAM.items()}


@pytest.mark.parametrize("detector", NIRCAM)
def test_the_flux_comes_back_with_the_zero_points_of_flight(tmp_path, catalog, detector):
    """A star's DN/s, turned back with PHOTMJSR x PIXAR_SR of jwst_1293, and Mirage's DN/s of it."""
    known = NIRCAM[detector]
    _, filter_, pupil = optics(detector)
    measured = known.photmjsr * 1e-17 * known.pixar_sr
    mirage = FLUX / known.photfnu
    packs = {}
    for level in (1.0, 1.25):
        gain = write_gain(tmp_path / f"gain{level}.fits", detector, level)
        for photom in (None, write_photom(tmp_path / f"photom{level}.fits", detector)):
            paths = {"gain": gain} | ({"photom": photom} if photom else {})
            key = build_pack(
                ReferenceFiles(paths, filter_, pupil), detector, str(tmp_path / "packs"), memo={}
            )
            packs[level, photom is not None] = ReferencePack.open(str(tmp_path / "packs"), key)
    for (level, own), pack in packs.items():
        assert pack.meta["mean_gain"] == pytest.approx(1.05 * level * known.gain, rel=1e-4)
        dn = signal(pack, catalog)
        if own:
            assert dn * measured == pytest.approx(FLUX, rel=1e-4)
        else:
            assert dn * measured == pytest.approx(FLUX, rel=0.01)
            assert dn == pytest.approx(mirage, rel=0.002)
        photmjsr = pack.meta["photmjsr"]
        sky = background_rate("0.2 MJy/sr", *optics(detector), gain=pack.meta["mean_gain"], photmjsr=photmjsr)
        sky /= pack.meta["mean_gain"]  # DN/s
        assert sky * known.photmjsr == pytest.approx(0.2, rel=1e-6 if own else 0.03)


def test_photom_without_its_pixel_area_or_without_a_calibration(tmp_path):
    detector, filter_, pupil = optics("NRCB1")
    own = ReferenceFiles(
        {"photom": write_photom(tmp_path / "photom.fits", detector, pixar=False)}, filter_, pupil
    )
    key = build_pack(own, detector, str(tmp_path / "packs"))
    pack = ReferencePack.open(str(tmp_path / "packs"), key)
    known = NIRCAM[detector]
    assert pack.zeropoint.photfnu == pytest.approx(known.photmjsr * 1e-17 * pack.meta["pixar_sr"])
    # Every system follows, by the same factor.
    nominal = get_zeropoint(detector, filter_, pupil)
    factor = pack.zeropoint.photfnu / nominal.photfnu
    assert pack.zeropoint.photflam / nominal.photflam == pytest.approx(factor)
    assert 10 ** (0.4 * (nominal.vegamag - pack.zeropoint.vegamag)) == pytest.approx(factor)
    with fits.open(tmp_path / "photom.fits") as hdus:
        hdus["PHOTOM"].data["photmjsr"] = 0.0
        hdus.writeto(tmp_path / "none.fits")
    none = ReferenceFiles({"photom": tmp_path / "none.fits"}, filter_, pupil)
    pack = ReferencePack.open(str(tmp_path / "packs"), build_pack(none, detector, str(tmp_path / "packs")))
    assert pack.meta["photmjsr"] is None
    assert pack.zeropoint.photfnu == nominal.photfnu


@pytest.fixture(scope="module")
def scaled(tmp_path_factory):
    """The example proposal with the built-in files, with 1.25 times their gain, and with a PHOTOM of twice the flux."""
    plain = md.open_proposal(md.example_proposal(), background="0.2 MJy/sr")
    name = plain.table.query("detector == 'NRCB1' and filter == 'F150W'")["name"].iloc[0]
    folder, files = tmp_path_factory.mktemp("scaled"), builtin()[1]
    made = {"": plain}
    for kind, extension, column, factor in (
        ("gain", "SCI", None, 1.25),
        ("photom", "PHOTOM", "photmjsr", 2.0),
    ):
        own = folder / f"my_{kind}.fits"
        with fits.open(files[kind]) as hdus:
            values = hdus[extension].data if column is None else hdus[extension].data[column]
            values *= np.float32(factor)
            hdus.writeto(own)
        overrides = {"nircam": {kind: {"nrcb1": str(own)}}}
        made[kind] = md.open_proposal(
            md.example_proposal(), background="0.2 MJy/sr", reffile_overrides=overrides
        )
    return name, made


def test_light_of_a_proposal_follows_gain_and_photom(scaled):
    """Electrons grow with the gain, so that DN do not; a PHOTOM of twice the flux per DN/s halves both."""
    name, made = scaled
    box = {"x": slice(900, 1100), "y": slice(900, 1100)}
    seed = {kind: p.exposure(name)["seed"][box].values.astype(float) for kind, p in made.items()}
    assert np.ptp(seed[""]) > 0
    np.testing.assert_allclose(seed["gain"], 1.25 * seed[""], rtol=1e-4)
    np.testing.assert_allclose(seed["photom"], 0.5 * seed[""], rtol=1e-4)


def test_the_plan_says_which_zero_points_it_uses(scaled):
    name, made = scaled
    plain, own = (
        made[kind].plan(select=made[kind].table["name"] == name, measure=False) for kind in ("", "photom")
    )
    assert plain.zero_points == ("built-in table: NIRCam as the PHOTOM of jwst_1293.pmap",)
    assert own.zero_points == ("override: my_photom.fits",)
    assert ("zero points", "override: my_photom.fits") in own.lines
