"""The real Lua scripts with seams for a simulated server, and with one rule left out where a test wants it missed.

An edit that does not apply exactly once to each of its scripts fails, so that no script can change and a test go on
believing that it has left something out.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha1

from read_models import scripts
from read_models.scripts import Script

_WITH_COMMON = (
    "LOAD",
    "RESERVE",
    "RELEASE",
    "OUTCOME",
    "BEGIN",
    "APPLY",
    "GUARD_STATE",
    "OPEN_GUARD",
    "DECLARE_READY",
)


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace a text that is to be found exactly once in each of these scripts, named as in `read_models.scripts`."""

    old: str
    new: str
    scripts: tuple[str, ...]


def seams(identity_key: str) -> list[Edit]:
    """Return the edits that let one Redis play many servers.

    The server's identity comes from a hash with run_id and replid instead of INFO; the time comes from the last two
    arguments, seconds and microseconds, instead of TIME.
    """
    run_id, replid = (f"redis.call('HGET', '{identity_key}', '{field}')" for field in ("run_id", "replid"))
    return [
        Edit("redis.call('INFO', 'server')", f"('run_id:' .. {run_id})", _WITH_COMMON),
        Edit("redis.call('INFO', 'replication')", f"('master_replid:' .. {replid})", _WITH_COMMON),
        Edit("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}", ("RESERVE",)),
    ]


WITHOUT_GUARD = [Edit("  if run_id ~= run or replid ~= repl then\n", "  if false then\n", _WITH_COMMON)]
WITHOUT_REPLICATION_ID = [
    Edit("  if run_id ~= run or replid ~= repl then\n", "  if run_id ~= run then\n", _WITH_COMMON),
    Edit(
        "if epoch ~= ARGV[2] or run_id ~= run or replid ~= repl",
        "if epoch ~= ARGV[2] or run_id ~= run",
        ("DECLARE_READY",),
    ),
    Edit("if not epoch or run_id ~= run or replid ~= repl", "if not epoch or run_id ~= run", ("GUARD_STATE",)),
]
WITHOUT_REOPENING = [Edit("if clear_guard then", "if false then", ("APPLY",))]
SETTLED_BY_A_CLOCK = [
    Edit(
        "if watermark and tonumber(watermark) > tonumber(fields[2]) then",
        "if ARGV[#ARGV - 1] * 1000 + ARGV[#ARGV] / 1000 > tonumber(fields[2]) then",
        ("RESERVE",),
    )
]


def edited(edits: Iterable[Edit]) -> dict[str, Script]:
    """Return the scripts that the edits change, by name."""
    sources: dict[str, str] = {}
    changes: dict[str, list[Edit]] = defaultdict(list)
    for edit in edits:
        for name in edit.scripts:
            changes[name].append(edit)
    for name, of_script in changes.items():
        script: Script = getattr(scripts, name)
        source = script.source
        for edit in of_script:
            assert source.count(edit.old) == 1, f"{name}: {edit.old!r} is there {source.count(edit.old)} times"
            source = source.replace(edit.old, edit.new)
        sources[name] = source
    return {
        name: Script(source, sha1(source.encode(), usedforsecurity=False).hexdigest())
        for name, source in sources.items()
    }
