"""Known weaknesses in the locked dependencies fail, an advisory service that does not answer does not. Arguments: what to pass over."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

PIP_AUDIT = Path(sys.executable).parent / "pip-audit"
COMMAND = [
    PIP_AUDIT,
    "-r",
    "requirements.lock",
    "--require-hashes",
    "--disable-pip",
    "--progress-spinner=off",
    "--format=json",
    "--timeout=5",
]
# Asked first: without the network, the audit itself would try each dependency for a while; a mirror of packages knows no advisories.
SERVICE = "https://pypi.org/pypi/pip-audit/json"
PROBE_SECONDS, AUDIT_SECONDS = 5, 120


def main(passed_over: list[str]) -> int:
    try:
        with urllib.request.urlopen(SERVICE, timeout=PROBE_SECONDS) as answer:
            is_there = "vulnerabilities" in json.load(answer)
    except (OSError, ValueError):
        is_there = False
    if not is_there:
        print("audit: not done, the advisory service does not answer")
        return 0
    ignored = [f"--ignore-vuln={advisory}" for advisory in passed_over]
    try:
        done = subprocess.run([*COMMAND, *ignored], capture_output=True, text=True, timeout=AUDIT_SECONDS, check=False)
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        print("audit: not done, the advisory service stopped answering")
        return 0
    n_looked_up = sum("vulns" in one for one in found)
    if not n_looked_up:
        print(f"audit: not done, the advisory service knows none of {len(found)} dependencies")
        return 0
    weak = [(one["name"], one["version"], weakness) for one in found for weakness in one.get("vulns", ())]
    for name, version, weakness in weak:
        print(f"audit: {name} {version}: {weakness['id']}, fixed in {', '.join(weakness['fix_versions']) or 'no version yet'}")
    print(f"audit: {n_looked_up} of {len(found)} dependencies looked up, {len(weak)} weaknesses")
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
