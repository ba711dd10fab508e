"""Wavefront sensing and control: sequences fixed by the template; the XML contains only the readout.

The sequences follow the commissioning plan as Mirage lists it: global alignment alternates NIRCam and FGS
images; coarse phasing steps through the dispersed Hartmann sensors and weak lenses; fine phasing through the weak lenses,
after optional jitter images. APT's report repeats the NIRCam aperture for exposures of the guider, too.
"""

from __future__ import annotations

from dataclasses import replace

from mirage_dask.apt.elements import Reader
from mirage_dask.apt.records import ACQUISITION, Dithers, ExposureSpecification, Sequence
from mirage_dask.apt.templates.context import Context, optics_of, read_module, read_readout

LONG_FILTER = "F480M"
"""Long-wavelength filter of older versions of APT, which do not name it."""
LONG_OPTICS = ("F444W", "F405N")
"""(filter, pupil) of the long-wavelength detectors during phasing."""

GLOBAL_ALIGNMENT = {
    "ADJUST1": (2, "FGS", 1),
    "CORRECT": (2, "FGS", 1),
    "ADJUST2": (2, "FGS", 2, "FGS", 1),
    "CORRECT+ADJUST": (2, "FGS", 2, "FGS", 1),
    "BSCORRECT": (2, "FGS"),
}
"""By GaIteration: numbers of NIRCam images, each 'FGS' one image of the guider."""

COARSE_PHASING = (
    ("InFocusParameters", "F212N", "CLEAR"),
    *[("DhsParameters", "F150W2", pupil) for pupil in ("GDHS0", "GDHS0", "GDHS60", "GDHS60")],
    ("DefocusParameters", "F212N", "WLP8"),
    ("DefocusParameters", "F212N", "WLM8"),
)
"""(readout, filter, pupil) of the short-wavelength channel."""

EIGHT = (("EightWave212Parameters", "F212N", "WLM8"), ("EightWave212Parameters", "F212N", "WLP8"))
ALL = (
    *EIGHT,
    ("TwelveWaveParameters", "WLP4", "WLP8"),
    ("FourWaveParameters", "WLP4", "WLM8"),
    ("FourWaveParameters", "WLP4", "CLEAR"),
)
NARROW = (("EightWave187Parameters", "F187N", "WLM8"), ("EightWave187Parameters", "F187N", "WLP8"))
FINE_PHASING = {"ALL": ALL, "ALL+187N": (*ALL, *NARROW), "PM8": EIGHT}
"""By Diversity: (readout, filter, pupil) of the short-wavelength channel."""

PHASING_DITHERS = Dithers("NONE", 1, "STANDARD", 1, points=2)
NO_DITHERS = Dithers("NONE", 1, "STANDARD", 1, points=1)


def _short(template: Reader) -> tuple[str, str]:
    found: tuple[str, str] = template.check("ShortFilter", optics_of("SHORT"), ("", ""))
    return found


def _imaging_optics(config: Reader) -> dict[str, tuple[str, str]]:
    look_up = optics_of("LONG")
    named = config.text("LongFilter")
    long = config.check("LongFilter", look_up, ("", "")) if named else look_up(LONG_FILTER)
    return {"SHORT": _short(config), "LONG": long}


def read_commissioning(template: Reader, context: Context) -> Sequence:
    """Read WfscCommissioning: each filter once before and once after every expected mirror move."""
    repeats = template.positive("ExpectedWfcGroups", default=0) + 1
    base = ExposureSpecification(
        instrument="NIRCAM",
        module=read_module(template),
        subarray="FULL",
        dithers=NO_DITHERS,
        repeats=repeats,
    )
    specifications = tuple(
        read_readout(config, replace(base, optics=_imaging_optics(config)))
        for config in template.children("FilterConfig")
    )
    return Sequence(context.template, "NIRCAM", specifications)


def read_global_alignment(template: Reader, context: Context) -> Sequence:
    """Read WfscGlobalAlignment; the guider is that of the special requirements."""
    iteration = template.text("GaIteration").upper()
    if iteration not in GLOBAL_ALIGNMENT:
        template.report("GaIteration", f"expected {', '.join(GLOBAL_ALIGNMENT)}, not {iteration!r}")
    nircam, fgs = template.child("NircamParameters"), template.child("FgsParameters")
    if nircam is None or fgs is None:
        template.report("GaIteration", "NircamParameters or FgsParameters is missing")
        return Sequence(context.template, "NIRCAM")
    image = read_readout(
        nircam,
        ExposureSpecification(
            instrument="NIRCAM",
            optics=_imaging_optics(nircam),
            module=read_module(template),
            subarray="FULL",
            dithers=NO_DITHERS,
        ),
    )
    guider = ExposureSpecification(
        instrument="FGS",
        optics={"": ("", "")},
        readpatt="FGSRAPID",
        ngroup=fgs.positive("Groups"),
        nint=fgs.positive("Integrations"),
        subarray="FULL",
        detectors=(context.guider or "GUIDER1",),
        dithers=NO_DITHERS,
    )
    steps = GLOBAL_ALIGNMENT.get(iteration, ())
    return Sequence(
        context.template,
        "NIRCAM",
        tuple(guider if n == "FGS" else replace(image, repeats=int(n)) for n in steps),
    )


def _phasing(
    template: Reader, steps: tuple[tuple[str, str, str], ...], module: str
) -> list[ExposureSpecification]:
    """Return two dithered full-frame exposures for each step."""
    found = []
    for parameters, filter, pupil in steps:
        config = template.child(parameters)
        if config is None:
            template.report(parameters, "is missing")
            continue
        specification = ExposureSpecification(
            instrument="NIRCAM",
            optics={"SHORT": (filter, pupil), "LONG": LONG_OPTICS},
            module=module,
            subarray="FULL",
            dithers=PHASING_DITHERS,
        )
        found.append(read_readout(config, specification))
    return found


def _one_module(template: Reader) -> str:
    module = read_module(template)
    if module == "ALL":
        template.report("Module", "expected A or B, not 'ALL'")
        module = "A"
    return module


def read_coarse_phasing(template: Reader, context: Context) -> Sequence:
    """Read WfscCoarsePhasing: in focus in a small subarray, then dispersed, then defocused."""
    module = _one_module(template)
    found = _phasing(template, COARSE_PHASING, module)
    if found:
        in_focus = {"SHORT": found[0].optics["SHORT"]}
        found[0] = replace(found[0], subarray=f"SUB96DHSPIL{module}", use="wavefront", optics=in_focus)
    return Sequence(context.template, "NIRCAM", tuple(found))


def read_fine_phasing(template: Reader, context: Context) -> Sequence:
    """Read WfscFinePhasing: jitter images, weak-lens images or both; twice if the mirrors are moved in between."""
    sensing = template.text("SensingType").upper()
    module = _one_module(template)
    found: list[ExposureSpecification] = []
    acquisition = None
    if sensing in ("LOS JITTER", "BOTH"):
        jitter = ExposureSpecification(
            instrument="NIRCAM",
            optics={"SHORT": ("F200W", "CLEAR")},
            readpatt="RAPID",
            ngroup=template.positive("LosImgNumGroups"),
            nint=template.positive("LosImgNumInts"),
            module=module,
            subarray=f"SUB8FP1{module}",
            use="wavefront",
            dithers=NO_DITHERS,
        )
        found.append(jitter)
        # APT names no filter for the acquisition: that of the image is assumed.
        acquisition = replace(
            jitter,
            type=ACQUISITION,
            ngroup=template.positive("AcqNumGroups", default=3),
            nint=1,
            subarray=f"SUB64FP1{module}",
            use="aperture",
            dithers=Dithers(),
        )
    if sensing in ("FINE PHASING", "BOTH"):
        diversity = template.text("Diversity").upper()
        if diversity not in FINE_PHASING:
            template.report("Diversity", f"expected {', '.join(FINE_PHASING)}, not {diversity!r}")
        found += _phasing(template, FINE_PHASING.get(diversity, ()), module)
    if not context.sensing_only:
        found *= 2
    return Sequence(context.template, "NIRCAM", tuple(found), acquisition)
