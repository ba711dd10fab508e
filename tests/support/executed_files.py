"""Small FITS files with the headers of an exposure, which tests change."""

from __future__ import annotations

from pathlib import Path

from astropy.io import fits

NAME = "jw01234002001_03101_00002_nrcblong"
PRIMARY = {
    "TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCBLONG", "MODULE": "B", "CHANNEL": "LONG",
    "FILTER": "F444W", "PUPIL": "CLEAR", "EXP_TYPE": "NRC_IMAGE", "READPATT": "RAPID", "NGROUPS": 5, "NINTS": 2,
    "NFRAMES": 1, "GROUPGAP": 0, "NOUTPUTS": 1, "SUBARRAY": "SUB160", "APERNAME": "NRCB5_SUB160", "PPS_APER": "NRCB5_SUB160",
    "DATE-OBS": "2024-03-02", "TIME-OBS": "01:02:03.456", "VSTSTART": "2024-03-02 00:50:00.0000000",
    "TARGPROP": "FIELD-1", "TARGTYPE": "FIXED", "TARG_RA": 53.11, "TARG_DEC": -27.81, "PROP_RA": 53.1, "PROP_DEC": -27.8,
    "PATTTYPE": "NONE", "PATT_NUM": 3, "NUMDTHPT": 4, "SUBPXPTS": 2, "TITLE": "A field", "PI_NAME": "A. Person",
    "CATEGORY": "GO", "TEMPLATE": "NIRCam Imaging",
}  # fmt: skip
SKY = {
    "RA_REF": 53.12, "DEC_REF": -27.82, "ROLL_REF": 40.0, "V2_REF": -147.2, "V3_REF": -490.4,
    "RA_V1": 53.0, "DEC_V1": -27.7, "PA_V3": 40.1,
}  # fmt: skip


def write_headers(path: Path, **changes) -> Path:
    """Write a file with the keywords above and changes to them; None removes a keyword, `-` in its name is `__` here."""
    given = {key.replace("__", "-"): value for key, value in changes.items()}
    cards = {key: given.get(key, value) for key, value in (PRIMARY | SKY).items()} | given
    primary, sky = fits.PrimaryHDU(), fits.ImageHDU(name="SCI")
    for key, value in cards.items():
        if value is not None:
            (sky if key in SKY else primary).header[key] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([primary, sky]).writeto(path)
    return path
