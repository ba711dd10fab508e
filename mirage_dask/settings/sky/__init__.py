"""What falls on detectors besides catalogs: the keys `background`, `extended`, `scene_image`, `cosmic_rays` and
`scattered_light`."""

from mirage_dask.settings.sky.background import (
    BACKGROUND,
    LEVELS,
    Background,
    BackgroundEntry,
    Component,
    Level,
    background_as_given,
    background_entries,
    components,
    is_brightness,
    is_image,
    on_the_day,
)
from mirage_dask.settings.sky.cosmic_rays import (
    COSMIC_RAYS,
    CosmicRays,
)
from mirage_dask.settings.sky.images import (
    IMAGE_UNITS,
    PSFS,
    ExtendedChoice,
    ExtendedLight,
    SceneFile,
    SceneImageChoice,
    SceneImages,
)
from mirage_dask.settings.sky.scattered import ScatteredChoice, ScatteredLight

__all__ = [
    "BACKGROUND",
    "COSMIC_RAYS",
    "IMAGE_UNITS",
    "LEVELS",
    "PSFS",
    "Background",
    "BackgroundEntry",
    "Component",
    "CosmicRays",
    "ExtendedChoice",
    "ExtendedLight",
    "Level",
    "ScatteredChoice",
    "ScatteredLight",
    "SceneFile",
    "SceneImageChoice",
    "SceneImages",
    "background_as_given",
    "background_entries",
    "components",
    "is_brightness",
    "is_image",
    "on_the_day",
]
