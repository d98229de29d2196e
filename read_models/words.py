"""The words that users are found by: case and accents folded, in any script."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Final
from unicodedata import category, combining, normalize

MOST_CHARACTERS: Final = 64
"""What is behind them in a word or a name neither finds nor sorts."""
MOST_WORDS: Final = 50
"""A user is found by the first so many different words."""

_ASCII_WORD: Final = re.compile(r"[0-9a-z]+")
# Letters that Unicode does not take apart, though readers see a plain letter with a stroke; as CLDR's Latin-ASCII does.
_PLAIN_LETTERS: Final = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "þ": "th", "æ": "ae", "œ": "oe"}
)


def fold(text: str) -> str:
    """Return the form in which two spellings are the same: NFKD, marks removed, case folded, plain letters."""
    if text.isascii():
        return text.lower()
    bare = "".join(character for character in normalize("NFKD", text) if not combining(character))
    return bare.casefold().translate(_PLAIN_LETTERS)


# Names come again and again, and a user's are asked for before and after each change.
@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """Return the folded words of a text in order: what stands between characters that are no letters, marks, digits."""
    folded = fold(text)
    if folded.isascii():
        found = _ASCII_WORD.findall(folded)
    else:
        found = "".join(character if _is_of_word(character) else " " for character in folded).split()
    return tuple([word[:MOST_CHARACTERS] for word in found])


def distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Return the first `MOST_WORDS` different words."""
    return tuple(islice(dict.fromkeys(words), MOST_WORDS))


def _is_of_word(character: str) -> bool:
    # A vowel sign of an Indic script is a mark, and no end of a word.
    return character.isalnum() or category(character).startswith("M")
