"""A process that turns texts into vectors: `python -m app.learn.encode_lines MODEL_NAME`.

Lines of JSON: one `Hello` when the model is loaded or could not be, then one `Answer` for each `Query` on standard
input. The end of standard input ends the process at any moment, so that it never outlives whoever started it.
"""

import base64
import json
import os
import queue
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from app.learn.text_encoder import ModelFiles, TextEncoder, locate_model


@dataclass(frozen=True)
class Hello:
    """The sha256 of the loaded weights and the length of their vectors, or why there is no model."""

    digest: str = ""
    dimension: int = 0
    error: str = ""


@dataclass(frozen=True)
class Query:
    id: int
    text: str


@dataclass(frozen=True)
class Answer:
    """The bytes of a float32 unit vector in base64, or the kind of error."""

    id: int
    vector: str = ""
    error: str = ""


def to_line(message: Hello | Query | Answer) -> bytes:
    return json.dumps(asdict(message), ensure_ascii=False).encode() + b"\n"


def from_line(line: bytes) -> dict[str, Any]:
    """The fields of a message. Raises ValueError."""
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def main() -> None:
    # What a library prints must not land among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    try:
        files, encoder = _load(sys.argv[1])
    except Exception as error:  # whatever it is, the other side can only say so
        _write(answers, Hello(error=f"{type(error).__name__}: {error}"))
        os._exit(1)  # an orderly exit would wait for the thread that reads
    _write(answers, Hello(files.digest, encoder.dimension))
    while True:
        _write(answers, _answer(encoder, Query(**from_line(lines.get()))))


def _read(lines: queue.SimpleQueue[bytes]) -> None:
    # A thread of its own, so that the end is noticed while the model is still loading.
    for line in sys.stdin.buffer:
        lines.put(line)
    os._exit(0)


def _load(model_name: str) -> tuple[ModelFiles, TextEncoder]:
    files = locate_model(model_name)
    import torch

    # The other core is PostgreSQL's; one short text gains nothing from a second thread.
    torch.set_num_threads(1)
    return files, TextEncoder(files)


def _answer(encoder: TextEncoder, query: Query) -> Answer:
    try:
        vector = encoder.encode([query.text])[0]
    except Exception as error:  # its kind alone: the message may quote what somebody searched for
        return Answer(query.id, error=type(error).__name__)
    return Answer(query.id, base64.b64encode(vector.tobytes()).decode())


def _write(answers: BinaryIO, message: Hello | Answer) -> None:
    answers.write(to_line(message))
    answers.flush()


if __name__ == "__main__":
    main()
