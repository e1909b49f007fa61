"""One heavy job for one server, in a process of its own: python -m jobs.child NAME SERVER_ID clock|asked PARENT

Says on standard output, as lines of JSON, how far it is (`done`, `total`) and in the end what it did (`counters`) or why not (`error`).
"""

import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any

from app.db.embedded import die_with_parent


def main(arguments: list[str]) -> None:
    # First of all: whoever started it may be gone by now.
    die_with_parent(signal.SIGKILL)
    name, server_id, how, parent = arguments
    if os.getppid() != int(parent):
        sys.exit(1)
    from app.db.engine import working_engine
    from app.errors import PalateError
    from app.logs import configure_logs
    from app.settings import Settings
    from jobs.steps import unforeseen

    settings = Settings()
    configure_logs(settings)
    assert settings.database_url is not None
    engine = working_engine(settings.database_url.get_secret_value())
    try:
        counters = _perform(engine, settings, name, int(server_id), how == "clock")
    except PalateError as error:
        _say(error=error.detail, kind=type(error).__name__)
    except Exception as error:
        _say(error=unforeseen(error))
    else:
        _say(counters=counters)
    finally:
        engine.dispose()


def _perform(engine: Any, settings: Any, name: Any, server_id: int, is_by_clock: bool) -> dict[str, float]:
    from app.db.servers import get_server
    from jobs.steps import STEPS, Task

    with engine.begin() as connection:
        server = get_server(connection, server_id)
    return STEPS[name](
        Task(engine, settings, server, None, is_by_clock, datetime.now(UTC), lambda done, total: _say(done=int(done), total=int(total)))
    )


def _say(**content: Any) -> None:
    print(json.dumps(content), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
