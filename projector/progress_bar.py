"""How the operators' commands show that they go on: a bar on a terminal, a line now and then elsewhere, on stderr."""

import sys
from typing import Final

from tqdm import tqdm

_TERMINAL_SECONDS: Final = 0.2
_ELSEWHERE_SECONDS: Final = 10.0


def progress_bar(unit: str) -> "tqdm[None]":
    """Return a bar that counts these units, with rate and the time that is left once its `total` is set."""
    seconds = _TERMINAL_SECONDS if sys.stderr.isatty() else _ELSEWHERE_SECONDS
    empty: list[None] = []
    return tqdm(empty, unit=f" {unit}", unit_scale=True, dynamic_ncols=True, mininterval=seconds, leave=True)
