"""The `palate` command. Exit status 0; 1: failed, and one line says why; 2: usage."""

import sys

import typer

from app.commands import (
    backup,
    bench,
    connect,
    doctor,
    erase,
    evaluate,
    imports,
    jobs,
    keys,
    learn,
    models,
    packs,
    publish,
    service,
    spaces,
    webhooks,
    work,
)
from app.errors import PalateError

app = typer.Typer(
    name="palate", help="Recommendations for media servers.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
service.add_to(app)
doctor.add_to(app)
backup.add_to(app)
erase.add_to(app)
work.add_to(app)
learn.add_to(app)
connect.add_to(app)
webhooks.add_to(connect.app)
publish.add_to(app)
app.add_typer(connect.app, name="connect")
app.add_typer(keys.app, name="keys")
app.add_typer(imports.app, name="import")
app.add_typer(packs.app, name="pack")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(models.app, name="models")
app.add_typer(spaces.app, name="spaces")
app.add_typer(jobs.app, name="jobs")
app.add_typer(bench.app, name="bench")


def main() -> None:
    try:
        app()
    except PalateError as error:
        print(f"palate: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
