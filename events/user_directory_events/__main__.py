"""Look into a directory's topics: `python -m user_directory_events tail|show|verify`."""

import sys

try:
    from user_directory_events.cli.command import main
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] not in ("kafka", "crc32c"):
        raise
    print("user_directory_events: install the extra: pip install 'user-directory-events[kafka]'", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
