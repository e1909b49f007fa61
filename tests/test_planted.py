"""The search for secrets in what tests write finds them, whoever planted them and whichever process wrote them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.secrets import new_key
from tests.planted import ADMIN_KEY, SECRET_KEY, SECRETS, planted

ROOT = Path(__file__).parents[1]
TEST = """
import logging, subprocess, sys

SECRET = {secret!r}

def test_prints():
    print("before", SECRET)

def test_logs():
    logging.getLogger("anything").warning("after %s", SECRET)

def test_starts_who_prints():
    subprocess.run([sys.executable, "-c", "import os, sys; os.write(2, sys.argv[1].encode())", SECRET], check=True)

def test_keeps_it():
    assert SECRET
"""


@pytest.mark.parametrize("secret", [ADMIN_KEY, SECRET_KEY, planted("ada's-of-0"), new_key()], ids=["admin", "secret", "token", "made"])
def test_a_test_that_writes_a_secret_fails_and_does_not_write_it_again(tmp_path: Path, secret: str) -> None:
    (tmp_path / "test_writing.py").write_text(TEST.format(secret=secret))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.planted", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "3 failed, 1 passed" in done.stdout
    assert done.stdout.count("wrote a secret") >= 3
    assert SECRETS.search(done.stdout + done.stderr) is None
