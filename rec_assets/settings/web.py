"""Settings of the storefront, the HTTP API, traces and the ports of pages."""

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

LOOPBACK = "127.0.0.1"
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - servers listen on it, and clients do not call it


class WebSettings(BaseModel):
    """Addresses, keys and traces of pages and of the HTTP API."""

    storefront_port: PositiveInt = Field(8080, description="Port of `rec storefront`.")
    storefront_address: str = Field("127.0.0.1", description="Address that `rec storefront` listens on.")
    api_port: PositiveInt = Field(8090, description="Port of `rec api`.")
    api_address: str = Field(
        "127.0.0.1", description="Address that `rec api` listens on; without `api_keys`, of this machine only."
    )
    api_keys: str = Field(
        "", exclude=True, repr=False, description="Keys that clients of `rec api` send, with commas; secrets."
    )
    api_client_url: str = Field(
        "",
        description="Address of the HTTP API for the storefront and `rec load`, such as http://HOST:PORT; empty: that "
        "of `rec api` on this machine.",
    )
    api_client_key: str = Field(
        "",
        exclude=True,
        repr=False,
        description="Key that the storefront and `rec load` send to the HTTP API; a secret. Empty: one of `api_keys`.",
    )
    api_requests_per_second: NonNegativeFloat = Field(
        0,
        allow_inf_nan=False,
        description="Most requests a second of one key, for each process of `rec api`; after a pause, those of one "
        "second at once. 0: no limit.",
    )
    api_metrics_port: NonNegativeInt = Field(
        0, description="Port of the Prometheus metrics of `rec api`, on its address and without a key; 0: none."
    )
    otlp_endpoint: str = Field(
        "",
        description="Collector of traces (OTLP over HTTP), such as http://localhost:4318; empty: no traces.",
    )
    trace_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of requests that begin a trace; a trace of the caller is always continued.",
    )
    dagster_port: PositiveInt = Field(3000, description="Port of Dagster's UI in `rec dev`, on 127.0.0.1.")
    allowed_hosts: str = Field(
        "",
        description="Host names under which storefront, API, agent and Dagster's UI may be called, with commas; "
        "localhost and addresses are always allowed.",
    )

    @property
    def host_names(self) -> frozenset[str]:
        """Names in `allowed_hosts`."""
        return frozenset(name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip())

    @property
    def api_key_set(self) -> frozenset[str]:
        """Keys in `api_keys`."""
        return frozenset(key.strip() for key in self.api_keys.split(",") if key.strip())

    @property
    def api_url(self) -> str:
        """Address of the HTTP API for clients on this machine."""
        host = LOOPBACK if self.api_address in ANY_ADDRESS else self.api_address
        return self.api_client_url or f"http://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @property
    def api_key(self) -> str:
        """Key for requests to the HTTP API; empty for an API without keys."""
        return self.api_client_key or min(self.api_key_set, default="")
