"""Look for secrets in every file of the repository: `python -m tests.artefacts.secret_scan`.

The lines below are the only ones that look like a secret and are none. The hashes of the lock files, the ids in the
golden events and in the examples of events, and the pages of documentation are left out.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
NO_SECRETS: Final = (
    # The name of a Secret or of a key in it.
    r"(existingSecret|passwordKey|[sS]ecretName|SecretKey|secret)\"?: \"?[a-z-]*\"?}?$",
    # Ids of the W3C's example traces, and an id without its hyphens.
    r"\"(4bf92f3577b34da6a3ce929d0e0e4736|0af7651916cd43dd8448eb211c80319c|b7ad6b7169203331)\"",
    r"\"01936e0a7a3c7d2e9f4b5c8d1e2f3a4b\"",
    # Passwords of servers that a test starts, and the form of a URL in the documentation.
    r"rediss?://(someone:secret|reader:se%20cret|{user}:PASSWORD|NAME:PASSWORD)@",
    r"\"(sasl_plain_password|KAFKA_SASL_PASSWORD)\": \"sesame\"",
    r"sasl_plain_password=\"sesame\"",
    # The example of the Standard Webhooks specification, what a secret of it looks like, and one that terraform puts
    # together where it is stored.
    r"whsec_(MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw|` and base64)",
    r"rediss://:(\$\{google_redis_instance\.this\.auth_string\}|made-up)@",
    r"secrets = \"secrets@example\.iam\.gserviceaccount\.com\"",
    # What terraform is told to make up, and names.
    r"secret_data == \"(old\\nnew|bWFkZS11cA==)\"",
    r"private_key = \"bWFkZS11cA==\"",
    r"password_secret == \"ud-test-kafka-password\"",
    r"\{\"secretKey\": \"[A-Z_]*\", \"remoteRef\"",
    # The hash of a jar.
    r"\"org\.apache\.kafka:kafka-tools:[0-9.]*\", \"[0-9a-f]{64}\"",
)


def main() -> int:
    """Return the exit status: 0 if there is none."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    left_out = re.compile(r"(^requirements/|^tests/golden/|^events/asyncapi\.json$|\.md$)")
    files = [name for name in listed.stdout.split("\0") if name and not left_out.search(name)]
    lines = [argument for pattern in NO_SECRETS for argument in ("--exclude-lines", pattern)]
    tool = Path(sys.executable).with_name("detect-secrets-hook")
    return subprocess.run([str(tool), "--no-verify", *lines, *files], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
