FROM python:3.12-slim AS build

ARG TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/palate
ENV PATH=/opt/palate/bin:$PATH
# Not quoted: the argument is options as well as a name.
RUN pip install $TORCH
WORKDIR /src
COPY requirements.lock .
RUN pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY jobs jobs
COPY migrations migrations
# The lock is one for users and developers; what only developers need stays out of the image.
RUN pip install --no-deps --no-build-isolation . \
    && pip uninstall --yes hypothesis import-linter mypy pytest ruff schemathesis

FROM python:3.12-slim

RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data palate \
    && install --directory --owner palate --group palate --mode 700 /data
COPY --from=build /opt/palate /opt/palate
ENV PATH=/opt/palate/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PALATE_HOST=0.0.0.0 \
    PALATE_DATA_DIR=/data \
    HF_HOME=/data/models
USER palate
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PALATE_PORT', '8000') + '/health/ready', timeout=4)"]
CMD ["palate", "serve"]
