"""What a server is told: from the environment (METADB_STORE, METADB_TOKEN, ...) or the command."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from metadb.errors import WrongUsage


class Settings(BaseSettings):
    """Where the store is, who may ask, and how much.

    Args:
        store: Folder of the store.
        host: The address to listen at.
        port: The port to listen at; 0 takes a free one.
        token: The secret that writes need, and everything where `host` is not this machine's own.
        hosts: Further names that a client may call this server by, beside this machine's own.
        rate: Requests a second that one client may make in the long run.
        burst: Requests that one client may make at once.
        body_bytes: The largest body of a request.
        upload_bytes: The largest data file that may be sent.
        readers: Queries that run at once.
        ahead: Recommenders that are fitted for each space before anybody asks for them.
        sql_processes: Foreign statements that are answered at once, by a process each.
        sql_s: Seconds after which such a statement is ended.
        sql_rows: Rows that its answer has at most.
        metrics: Whether /metrics tells Prometheus how the server does.
        wait_s: Seconds that a request waits for its turn, or for a recommender to be fitted; less
            than the ten after which clients give up.
    """

    model_config = SettingsConfigDict(env_prefix="METADB_", extra="forbid", frozen=True)

    store: Path = Path("metadb-store")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    token: SecretStr | None = None
    hosts: tuple[str, ...] = ()
    rate: float = Field(default=1000.0, gt=0)
    burst: int = Field(default=2000, ge=1)
    body_bytes: int = Field(default=2 * 2**20, ge=1024)
    upload_bytes: int = Field(default=50 * 2**20, ge=1024)
    readers: int = Field(default=4, ge=1, le=64)
    ahead: tuple[str, ...] = ("portfolio", "nearest", "zero_shot")
    sql_processes: int = Field(default=2, ge=1, le=64)
    sql_s: float = Field(default=3.0, gt=0, le=600)
    sql_rows: int = Field(default=1000, ge=1, le=1_000_000)
    metrics: bool = False
    wait_s: float = Field(default=8.0, gt=0)

    @property
    def secret(self) -> str | None:
        """The token as it is, None where there is none."""
        return (self.token.get_secret_value() if self.token else None) or None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host == "localhost" or _is_loopback(self.host)

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not self.loopback and not self.secret:
            raise ValueError(
                f"other machines could reach a server at {self.host}, so it needs a secret that "
                "its clients send: set METADB_TOKEN, or leave --host out to serve this machine only"
            )
        return self


def settings_of(**given: object) -> Settings:
    """Settings from the environment, and what is given in place of it.

    Raises:
        WrongUsage: They do not fit together, or one is not what it should be.
    """
    told = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**told)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = first["msg"].removeprefix("Value error, ")
        named = ".".join(map(str, first["loc"]))
        raise WrongUsage(f"{named}: {what}" if named else what) from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
