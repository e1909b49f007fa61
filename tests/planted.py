"""Secrets that tests plant, and the search for them. Each begins alike, so that it is found wherever it gets to, whoever planted it."""

import re
from collections.abc import Iterator

import pytest

_BEGINNING = "planted-secret-"
# And every key that the service makes.
SECRETS = re.compile(_BEGINNING + r"[\w'-]+|palate_[\w-]{40,}")


def planted(name: str) -> str:
    """A key, token or password of this name."""
    return _BEGINNING + name


ADMIN_KEY = planted("admin-key-5f1c9a")
SECRET_KEY = planted("secret-key-77d0e2")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """No test writes a secret to a log or to the terminal, and no process that it started: what each has written is searched."""
    report: pytest.TestReport = yield
    written = "\n".join(content for _, content in report.sections)
    if SECRETS.search(written):
        report.sections = [(title, SECRETS.sub("[a secret]", content)) for title, content in report.sections]
        if report.passed:
            report.outcome, report.longrepr = "failed", f"{item.nodeid} wrote a secret."
    return report
