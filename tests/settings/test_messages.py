"""What a user is told: the exact sentence for each kind of mistake, and all of a file at once."""

from __future__ import annotations

import pytest
import yaml

from mirage_dask.errors import InputError
from mirage_dask.settings import load_settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.cat").write_text("x_or_RA y_or_Dec magnitude\n")
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"backgroud": "low"},
            "backgroud: 'backgroud' is not allowed; did you mean 'background' or 'use_dateobs_for_background'; allowed: catalogs, background, roll_angle, dates, use_dateobs_for_background, cosmic_rays, references, reffile_overrides, effects, seed, reffile_defaults, psf_paths, darks, parameter_defaults.",
        ),
        (
            {"catalogs": "stars.cat"},
            "catalogs: 'stars.cat' is not understood; write {point_source: FILE, galaxy: FILE}.",
        ),
        (
            {"catalogs": {"point_sorce": "a.cat"}},
            "catalogs.point_sorce: 'point_sorce' is not allowed; did you mean 'point_source' or 'moving_pointsource' or 'moving_sersic'; allowed: point_source, galaxy, extended, moving_pointsource, moving_sersic, moving_extended, moving_target_to_track, tso_imaging_catalog, tso_grism_catalog.",
        ),
        (
            {"catalogs": {"point_source": "absent.cat"}},
            "catalogs.point_source: there is no file HERE/absent.cat; paths are relative to HERE.",
        ),
        ({"catalogs": {"galaxy": 7}}, "catalogs.galaxy: 7 is no file name."),
        (
            {"catalogs": {"M-83": {"nircan": {"galaxy": "a.cat"}}}},
            "catalogs.M-83.nircan: 'nircan' is not allowed; did you mean 'nircam' or 'niriss'; allowed: nircam, niriss, fgs.",
        ),
        (
            {"catalogs": {"M-83": {"nircam": {"galaxi": "a.cat"}}}},
            "catalogs.M-83.nircam.galaxi: 'galaxi' is not allowed; did you mean 'galaxy'; allowed: point_source, galaxy, extended, moving_pointsource, moving_sersic, moving_extended, moving_target_to_track, tso_imaging_catalog, tso_grism_catalog.",
        ),
        (
            {"background": "lo"},
            "background: 'lo' is not allowed; did you mean 'low'; allowed: low, medium, high, date, DN/s per pixel.",
        ),
        (
            {"background": -1},
            "background: -1 is no background; give low, medium, high, date, or DN/s per pixel, zero or more.",
        ),
        (
            {"background": {"one": "low"}},
            "background.one: 'one' is not allowed; allowed: nircam, niriss, fgs.",
        ),
        (
            {"background": {1: {"nircam": {"mw": 1}}}},
            "background.1.nircam.mw: 'mw' is not allowed; did you mean 'sw' or 'lw'; allowed: sw, lw.",
        ),
        (
            {"background": {1: {"fgs": {"sw": 1}}}},
            "background.1.fgs.sw: FGS has one channel; give one level below background.1.fgs.",
        ),
        ({"roll_angle": "north"}, "roll_angle: 'north' is no angle; give degrees."),
        ({"roll_angle": {1: 1, "001": 2}}, "roll_angle: observation 1 is there twice."),
        ({"roll_angle": {"first": 1}}, "roll_angle: 'first' is no observation number; write 1, 2 and so on."),
        ({"dates": "someday"}, "dates: 'someday' is no date; write 'YYYY-MM-DD' or 'YYYY-MM-DDThh:mm:ss'."),
        (
            {"dates": {1: "2022-13-01"}},
            "dates.1: '2022-13-01' is no date; write 'YYYY-MM-DD' or 'YYYY-MM-DDThh:mm:ss'.",
        ),
        (
            {"use_dateobs_for_background": "yes"},
            "use_dateobs_for_background: 'yes' is neither true nor false.",
        ),
        (
            {"cosmic_rays": {"library": "SUNMID"}},
            "cosmic_rays: There is no cosmic-ray library 'SUNMID'; did you mean 'SUNMIN' or 'SUNMAX'?",
        ),
        ({"cosmic_rays": {"scale": -1}}, "cosmic_rays: scale -1 is no number of zero or more."),
        (
            {"cosmic_rays": {"libary": "SUNMIN"}},
            "cosmic_rays.libary: 'libary' is not allowed; did you mean 'library'; allowed: library, scale.",
        ),
        (
            {"cosmic_rays": 3},
            "cosmic_rays: 3 is not understood; write {library: SUNMAX, scale: 1.0} or none.",
        ),
        (
            {"references": "buildin"},
            "references: 'buildin' is not allowed; did you mean 'builtin'; allowed: builtin, crds, mirage_data.",
        ),
        (
            {"reffile_overrides": "gain.fits"},
            "reffile_overrides: 'gain.fits' is not understood; write {instrument: {type: …}}.",
        ),
        (
            {"reffile_overrides": {"nircam": {"gian": {"nrcb5": "a.cat"}}}},
            "reffile_overrides.nircam.gian: 'gian' is not allowed; did you mean 'gain'; allowed: superbias, linearity, saturation, gain, ipc, dark, readnoise, area, distortion, transmission, mask, flat, photom, badpixmask, pixelflat, astrometric, pixelareamap.",
        ),
        (
            {"reffile_overrides": {"nircam": {"gain": {"nrcb6": "a.cat"}}}},
            "reffile_overrides.nircam.gain.nrcb6: 'nrcb6' is not allowed; did you mean 'nrcb5' or 'nrcb4' or 'nrcb3'; allowed: nrca1, nrca2, nrca3, nrca4, nrca5, nrcb1, nrcb2, nrcb3, nrcb4, nrcb5.",
        ),
        (
            {"reffile_overrides": {"nircam": {"gain": "a.cat"}}},
            "reffile_overrides.nircam.gain: expected {detector: …}; the keys of gain are detector.",
        ),
        (
            {"effects": {"pink_nois": False}},
            "effects.pink_nois: 'pink_nois' is not allowed; did you mean 'pink_noise' or 'ktc_noise' or 'read_noise'; allowed: poisson, dark_current, ipc, nonlinearity, read_noise, pink_noise, ktc_noise, bias, reference_pixels, flat, cosmic_rays, saturation, gain_map.",
        ),
        ({"effects": {"flat": "no"}}, "effects.flat: 'no' is neither true nor false."),
        (
            {"effects": 3},
            "effects: 3 is not understood; write {name: false} or a list of names that are off.",
        ),
        ({"seed": -1}, "seed: -1 is no whole number from 0 to 2**63 - 1."),
        ({"seed": "42"}, "seed: '42' is no whole number from 0 to 2**63 - 1."),
        ({"parameter_defaults": 3}, "parameter_defaults: 3 is not understood; write {key: value}."),
        ({"darks": "raw"}, "darks: it is not supported yet; remove the key."),
        ({"psf_paths": "psf"}, "psf_paths: it is not supported yet; remove the key."),
    ],
)
def test_messages(folder, settings, message):
    with pytest.raises(InputError) as caught:
        load_settings(settings)
    assert str(caught.value).replace(str(folder), "HERE") == message


TEN_PROBLEMS = {
    "backgroud": "low",
    "catalogs": {"point_source": "absent.cat", "M-83": {"nircam": {"galaxi": "a.cat"}}},
    "roll_angle": "north",
    "dates": {1: "someday"},
    "cosmic_rays": {"library": "SUNMID"},
    "background": {1: {"nircam": {"mw": 1}}, 2: "lo"},
    "effects": ["pink_nois"],
    "seed": -1,
}


def test_ten_problems_are_ten_lines(folder):
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(TEN_PROBLEMS))
    with pytest.raises(InputError) as caught:
        load_settings(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.problems) == 10
    assert all(line.startswith(f"{path}: ") and line.endswith(".") for line in lines)
