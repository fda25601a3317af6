"""Which version of which dictionary a document is written with, and what its codes are called there.

A document keeps the names it was rendered with for ever; a new edition of a dictionary changes new documents only
(AD-03). РЭМД compares name and version with its own dictionaries (codes 116 and 118), so every coded element takes
both from here: the display name is the dictionary's, not what somebody typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from consilium.documents.record import Coded
from consilium.documents.vocabulary import NAMES, SAVED, SEEN


@dataclass(frozen=True, slots=True)
class Terms:
    """A snapshot of dictionaries; keys are the last arcs ("11.1002").

    `versions`: (version, full name); `names`: code to display name. What a snapshot lacks comes from BUILT_IN.
    """

    versions: Mapping[str, tuple[str, str]]
    names: Mapping[str, Mapping[str, str]]

    def version(self, dictionary: str) -> tuple[str, str]:
        """Version and full name. Raises KeyError for a dictionary nobody knows (a mistake of the renderer)."""
        return self.versions.get(dictionary) or BUILT_IN.versions[dictionary]

    def knows(self, dictionary: str) -> bool:
        """Whether an element of this dictionary can be written with its version."""
        return dictionary in self.versions or dictionary in BUILT_IN.versions

    def name(self, dictionary: str, code: str, said: str = "") -> str:
        """The dictionary's display name; `said` for a code that the snapshot does not hold."""
        mine = self.names.get(dictionary, {})
        # Names of another version would not fit the version we write beside them.
        known = mine if dictionary in self.versions else BUILT_IN.names.get(dictionary, {})
        return mine.get(code) or known.get(code) or said

    def coded(self, dictionary: str, code: str, said: str = "") -> Coded:
        """Code and display name together."""
        return Coded(code=code, name=self.name(dictionary, code, said))


BUILT_IN = Terms(versions={**SAVED, **SEEN}, names=NAMES)
