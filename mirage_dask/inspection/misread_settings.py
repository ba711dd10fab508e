"""Settings that hold, in a form that is easily taken for another: what they mean is said, so that nobody is surprised.

A list of `effects` names those that are off, and is read by some as those that are on.
"""

from __future__ import annotations

from mirage_dask.settings import Settings


def misread_settings(settings: Settings) -> tuple[str, ...]:
    """Return a sentence for each setting whose form may be misread, with a form that cannot.

    Parameters
    ----------
    settings
        As they were given.
    """
    off = settings.effects.listed
    if not off:
        return ()
    place = f"{settings.source}: " if settings.source else ""
    plain = ", ".join(f"{name}: false" for name in off)
    return (
        f"{place}effects: a list names what is switched off, here {', '.join(off)}; every other effect is as by default. "
        f"Written as {{{plain}}} it says so without this note.",
    )
