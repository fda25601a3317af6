"""What text from people may contain before it becomes part of a signed document.

A signer must see what he signs: control characters, bidirectional overrides and invisible characters can make
the same bytes look like something else, so they are refused. Words that mix Latin and Cyrillic letters are only
flagged: "HЕR2" is a typing mistake more often than an attack.
"""

from __future__ import annotations

import re
import unicodedata

from consilium.errors import Invalid

_ALLOWED_CONTROLS = frozenset("\n\t")
# Left behind by word processors; carry nothing a reader could see.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_WORD = re.compile(r"\w+")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_PLAIN_SPACES = dict.fromkeys(map(ord, "\n\t\u00a0\u2009\u202f"))
# Cc control, Cf format (bidi marks, zero width), Cs surrogate, Co private use, Cn not a character, Zl and Zp line ends.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def tidy_text(value: str) -> str:
    """The text with line ends as \\n, without invisible leftovers of word processors, composed (NFC).

    For use where text enters, so that its author sees the result; never on frozen text.
    """
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", lines.translate(_INVISIBLE))


def refused_character(value: str) -> int | None:
    """The position of the first character no document may carry, or None."""
    if value.translate(_PLAIN_SPACES).isprintable():  # one pass in C for nearly every text
        return None
    for at, char in enumerate(value):
        if char not in _ALLOWED_CONTROLS and unicodedata.category(char) in _REFUSED_CATEGORIES:
            return at
    return None


def check_text(value: str, field: str = "text") -> None:
    """Refuse control, bidirectional, invisible and unassigned characters.

    Raises Invalid("text_refused") with `field`, `position` and `character` ("U+202E").
    """
    at = refused_character(value)
    if at is not None:
        raise Invalid("text_refused", field=field, position=at, character=f"U+{ord(value[at]):04X}")


def mixed_words(value: str) -> tuple[str, ...]:
    """Words with both Latin and Cyrillic letters, each once, in order: to be shown as a warning."""
    found = (word for word in _WORD.findall(value) if _CYRILLIC.search(word) and _LATIN.search(word))
    return tuple(dict.fromkeys(found))
