"""What users should know of the light of a plan: each sentence once, with how many exposures it holds for."""

from __future__ import annotations

from mirage_dask.formatting import counted


class Notes:
    """Sentences about the layers of a plan, in the order in which they were first said.

    Parameters
    ----------
    subject
        What they are about, which stands in front of each.
    """

    def __init__(self, subject: str):
        self._subject = subject
        self._exposures: dict[str, int] = {}

    def add(self, text: str, exposures: int = 1) -> None:
        """Say something of an exposure; with 0 exposures, of the plan as a whole.

        Parameters
        ----------
        text
            A sentence without its full stop.
        exposures
            How many it is said of.
        """
        self._exposures[text] = self._exposures.get(text, 0) + exposures

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sentences."""
        many = {text: f" ({counted(n, 'exposure')})" if n else "" for text, n in self._exposures.items()}
        return tuple(f"{self._subject}: {text}{of}." for text, of in many.items())
