"""The Lua scripts: every step that must be atomic in Redis."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A script as Redis gets it, and the hash by which it is called."""

    source: str
    sha: str


def _load(name: str, *fragments: str, start: str = "common") -> Script:
    here = files(__name__)
    source = "".join((here / f"{part}.lua").read_text("utf-8") for part in (start, *fragments, name))
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


LOAD = _load("load")
RESERVE = _load("reserve", "claims")
RELEASE = _load("release", "settlement")
OUTCOME = _load("outcome")
BEGIN = _load("begin")
APPLY = _load("apply", "settlement", "claims", "changes", "beside")
FILL = _load("fill", "claims", "changes")
BEGIN_REBUILD = _load("begin_rebuild")
HOLD_LEASE = _load("hold_lease")
MOVE_BESIDE = _load("move_beside")
FLIP = _load("flip")
COMPARE_KEYS = _load("compare_keys")
COMPARE_INDEXES = _load("compare_indexes")
GUARD_STATE = _load("guard_state")
OPEN_GUARD = _load("open_guard")
BURY = _load("bury")
REWRITE_CHANGES = _load("rewrite_changes")
DECLARE_READY = _load("declare_ready")
OWNERS = _load("owners", "claims", "matching", start="reading")
WALK = _load("walk", "matching", start="reading")
PICK = _load("pick", "matching", start="reading")
MEMBERS = _load("members", start="reading")
WORD_MEMBERS = _load("word_members", start="reading")
MEASURE = _load("measure", start="reading")
LOOKUP = _load("lookup", "claims", start="reading")
COUNT_RECORDED = _load("count_recorded", start="reading")
