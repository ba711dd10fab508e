"""Small configurations of grisms in grismconf's format, with traces of real shape and sensitivities of our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NIRCAM = {
    "DISPL_+1_0": (
        3.7752011539,
        -6.6703910254e-06,
        -5.3511970517e-06,
        2.8399609307e-09,
        -1.7303392041e-10,
        2.5751135629e-09,
    ),
    "DISPL_+1_1": (
        1.3244741148,
        8.9591378351e-06,
        6.6277755665e-07,
        -1.0308725242e-10,
        1.7195227581e-10,
        -6.1318796859e-10,
    ),
    "DISPL_+1_2": (
        0.001418045018,
        1.1594449699e-05,
        -2.4013002246e-06,
        -2.7291215111e-09,
        4.7042077329e-10,
        1.1222027205e-09,
    ),
    "DISPX_+1_0": (-166.334661,),
    "DISPX_+1_1": (1364.541833,),
    "DISPY_+1_0": (
        -23.273920233,
        -0.00065357056423,
        -0.00087446580809,
        7.7969069617e-07,
        -8.8744316252e-08,
        7.4567171741e-07,
        -2.4680329372e-10,
        -3.1680758434e-10,
        3.2346156931e-10,
        -2.8755603025e-10,
    ),
    "DISPY_+1_1": (
        3.9443218329,
        -0.007235274958,
        -0.012631931222,
        9.6664000858e-07,
        9.2252518419e-06,
        7.6782924234e-06,
        6.7481534007e-10,
        -2.0837382611e-10,
        -3.0250034085e-09,
        -2.0072142352e-09,
    ),
    "DISPY_+1_2": (
        -7.5535081344,
        0.0070964030527,
        0.015321870395,
        -2.1366825853e-08,
        -1.1641631645e-05,
        -1.0908832312e-05,
        -2.3783128193e-09,
        1.4876966724e-09,
        4.8788225164e-09,
        2.822965617e-09,
    ),
}
"""F444W, module A, R, +1: rows of all three lengths."""
NIRISS = {
    "DISPL_+1_0": (0.75,),
    "DISPL_+1_1": (1.55,),
    "DISPX_+1_0": (
        -0.9339309,
        0.0004686172,
        -0.0004388836,
        -1.541793e-07,
        3.098167e-07,
        -2.153941e-12,
    ),
    "DISPX_+1_1": (
        0.4648234,
        -0.001399047,
        0.0004251761,
        -9.166204e-09,
        -8.890689e-07,
        1.231901e-11,
    ),
    "DISPX_+1_2": (
        -0.07227445,
        0.0001379996,
        -3.498955e-06,
        3.899698e-09,
        5.033732e-09,
        -9.435216e-13,
    ),
    "DISPY_+1_0": (
        59.01527,
        2.840096e-06,
        7.506951e-07,
        -1.634557e-09,
        -1.289266e-09,
        -1.90746e-12,
    ),
    "DISPY_+1_1": (
        -331.146,
        -1.556763e-05,
        -4.624849e-06,
        9.070764e-09,
        7.311082e-09,
        1.945781e-10,
    ),
    "DISPY_+1_2": (
        -0.0007094729,
        2.786528e-06,
        -5.250174e-07,
        -1.688076e-09,
        -3.790606e-10,
        3.451787e-10,
    ),
}
"""F150W, GR150R, +1."""
MARGINS = "XRANGE_+1 -129.74 123.56\nYRANGE_+1 -194.61 657.95\n"


def write_sensitivity(
    path: Path,
    low: float,
    high: float,
    *,
    peak: float = 1e17,
    comment: str = "Sensitivity is (DN/s) / (erg/s/cm^2/A)",
    angstrom: bool = False,
    leak: tuple[float, float] | None = None,
) -> None:
    """Write a table that is a half circle between two wavelengths (micron), and 1 % of it in a leak."""
    from astropy.io import fits

    wave = np.arange(low - 0.01, max(high, leak[1] if leak else 0.0) + 0.01, 1e-3)
    middle, half = (low + high) / 2, (high - low) / 2
    response = peak * np.sqrt(np.clip(1 - ((wave - middle) / half) ** 2, 0, None))
    if leak:
        response[(wave >= leak[0]) & (wave <= leak[1])] = 0.01 * peak
    columns = [
        fits.Column("WAVELENGTH", "D", array=wave * 1e4 if angstrom else wave),
        fits.Column("SENSITIVITY", "D", array=response),
        fits.Column("ERROR", "D", array=0 * wave),
    ]
    hdu = fits.BinTableHDU.from_columns(columns)
    if comment:
        hdu.header["COMMENT"] = comment
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)


def write_configuration(folder: Path, name: str = "NIRCAM_F444W_modA_R", *, text: str = "") -> Path:
    """Write a configuration of order +1 with its sensitivity `first.R.fits`; `text` is added.

    Names that begin with NIRISS have traces along y.
    """
    niriss = name.startswith("NIRISS")
    low, high = (1.3, 1.7) if niriss else (3.85, 5.0)
    write_sensitivity(folder / "first.R.fits", low, high, comment="" if niriss else "Sensitivity is (DN/s)")
    path = folder / f"{name}.conf"
    numbers = NIRISS if niriss else NIRCAM
    rows = "\n".join(f"{key} {' '.join(map(repr, row))}" for key, row in numbers.items())
    path.write_text(f"NAXIS 2048 2048\nBEAM_+1\n{rows}\nSENSITIVITY_+1 first.R.fits\n{MARGINS}\n{text}\n")
    return path
