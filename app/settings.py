"""What differs between deployments, read from the environment (prefix `PALATE_`) and a `.env` file."""

import re
from pathlib import Path
from typing import Annotated, Literal

from limits import parse
from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.cron import checked_cron
from app.job_types import JobName


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PALATE_", env_file=".env", extra="ignore")

    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL 15 or later with pgvector 0.8.4 or later. Unset: an embedded PostgreSQL in the data folder.",
    )
    database_read_url: SecretStr | None = Field(
        default=None,
        description="Hot standbys to read from, such as `postgresql://palate@/palate?host=a,b`. Unset: all is read from the primary.",
    )
    read_lag_seconds: float = Field(
        default=5.0, ge=0.2, le=3600, description="A standby that is further behind than this is not read from."
    )
    data_dir: Path = Field(
        default=Path(".palate"),
        description="The embedded database, the generated keys and logs live here.",
    )
    host: str = Field(default="127.0.0.1", description="Address that the service listens on.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port that the service listens on.")
    admin_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="A bootstrap admin key. Unset: one is made at first start, printed once and kept in the data folder.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Signs cookies and encrypts media servers' tokens. Unset: one is made at first start and kept in the data folder.",
    )
    embedding_model: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        description="A local folder or a hub name of a sentence-transformers model.",
    )
    kept_space_days: int = Field(
        default=7, ge=0, le=365, description="So many days the space of the model before is kept, to go back to (`palate spaces switch`)."
    )
    base_path: str = Field(
        default="", pattern=r"^(/[^/?#]+)*$", description="Path that a reverse proxy serves Palate under, such as `/palate`."
    )
    forwarded_allow_ips: str = Field(
        default="127.0.0.1", description="Addresses whose `X-Forwarded-*` headers are believed; a comma list, or `*`."
    )
    rate_limit: str = Field(
        default="600/minute",
        description="How often a key, and an address without one, may ask each web process; empty: no limits, and none of wrong keys.",
    )
    cors_origins: str = Field(
        default="", description="Origins whose pages may call the API from a browser, such as `https://tv.example`; a comma list, or `*`."
    )
    operator_pages: Literal["loopback", "anyone", "nobody"] = Field(
        default="loopback", description="Who may read `/metrics` and `/docs` without a key."
    )
    log_format: Literal["console", "json"] = Field(default="console", description="How log lines are written to standard error.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least severe lines that are written.")
    pool_size: int = Field(default=6, ge=1, le=500, description="Database connections of one web process.")
    web_processes: int = Field(default=1, ge=1, le=64, description="Web processes that `palate up` and `palate serve` start.")
    slate_log: float = Field(
        default=1.0, ge=0, le=1, description="Share of the answers that are logged, for what came of them and for training."
    )
    slate_features: float = Field(default=0.1, ge=0, le=1, description="Share of the logged answers whose features are kept with them.")
    slate_retention_days: int = Field(
        default=90,
        ge=16,
        le=3650,
        description="Logged answers and signals `shown` and `clicked` are deleted after so many days. What came of them is counted for 15.",
    )

    schedule: dict[JobName, Annotated[str, AfterValidator(checked_cron)]] = Field(
        default={},
        description='When jobs start by themselves: JSON such as `{"evaluate": "never", "prune": "0 6 * * *"}`; '
        "for jobs not named, the times under Jobs hold.",
    )

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, rate: str) -> str:
        if rate:
            parse(rate)
        return rate

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: str) -> str:
        for origin in origins.split(",") if origins not in ("", "*") else []:
            if not re.fullmatch(r"https?://[^/?#@\s*]+", origin.strip()):
                raise ValueError("must be origins such as https://tv.example or http://192.168.1.5:3000, without a path")
        return origins

    @field_validator("admin_key")
    @classmethod
    def _can_be_sent(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not (key.get_secret_value().isascii() and key.get_secret_value().isprintable()):
            raise ValueError("must be printable ASCII: a header can't carry anything else")
        return key
