"""Declarations of assets and checks. `Declared.build` makes Dagster definitions from them and the settings.

Partitions, windows, pod sizes and code versions depend on the settings. Modules declare their assets at import,
without settings:

    @asset(partitions_def=daily, op_tags=CPU, windows={"raw_interactions": model_window}, deps=[*earlier("dlrm_model")])
    def replay_set(context, artifacts, settings, raw_interactions): ...
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, TypeVar

import dagster

from rec_assets.settings import Settings

T = TypeVar("T")
RETRIES_OF_PODS = dagster.RetryPolicy(max_retries=2)


def retries_of(settings: Settings) -> dagster.RetryPolicy | None:
    """Returns the retries of a step with a pod of its own, which can be lost with its node; else None.

    Steps that reject their input raise errors that allow no retry.
    """
    return RETRIES_OF_PODS if settings.executor == "k8s" else None


@dataclass(frozen=True)
class FromSettings(Generic[T]):
    """A value that depends on the settings. Used as a decorator of the function that computes the value."""

    compute: Callable[[Settings], T]

    def __call__(self, settings: Settings) -> T:
        """Returns the value for these settings."""
        return self.compute(settings)


@dataclass(frozen=True)
class On:
    """A dependency on an asset that is not an argument of the function.

    Attributes:
        asset: name of the upstream asset.
        mapping: maps a partition to the upstream partitions that it depends on.
    """

    asset: str
    mapping: "FromSettings[Any] | dagster.PartitionMapping"


@dataclass(frozen=True)
class Declared:
    """A declared asset or check.

    Attributes:
        decorator: Dagster's decorator.
        options: arguments of the decorator; `build` computes every `FromSettings` in them, at any depth.
        function: the decorated function.
    """

    decorator: Callable[..., Any]
    options: Mapping[str, Any]
    function: Callable[..., Any]

    def build(self, settings: Settings) -> Any:
        """Returns the Dagster definition for these settings."""
        options = {name: _resolve(value, settings) for name, value in self.options.items()}
        if windows := options.pop("windows", None):
            options["ins"] = {name: dagster.AssetIn(partition_mapping=mapping) for name, mapping in windows.items()}
        if retries := retries_of(settings):
            options["retry_policy"] = retries
        return self.decorator(**options)(self.function)


def asset(**options: Any) -> Callable[[Callable[..., Any]], Declared]:
    """Declares an asset; takes the arguments of `dagster.asset`, and `windows`: partition mappings by input name."""
    return lambda function: Declared(dagster.asset, options, function)


def multi_asset(**options: Any) -> Callable[[Callable[..., Any]], Declared]:
    """Declares a step that makes several assets; takes the arguments of `dagster.multi_asset`."""
    return lambda function: Declared(dagster.multi_asset, options, function)


def asset_check(**options: Any) -> Callable[[Callable[..., Any]], Declared]:
    """Declares a check; takes the arguments of `dagster.asset_check`."""
    return lambda function: Declared(dagster.asset_check, options, function)


def multi_asset_check(**options: Any) -> Callable[[Callable[..., Any]], Declared]:
    """Declares a step of several checks; takes the arguments of `dagster.multi_asset_check`."""
    return lambda function: Declared(dagster.multi_asset_check, options, function)


def declared_in(module: ModuleType) -> list[Declared]:
    """Returns the declarations of a module, also from lists, in source order."""
    values = [one for value in vars(module).values() for one in (value if isinstance(value, list) else [value])]
    return [one for one in values if isinstance(one, Declared)]


def _resolve(value: Any, settings: Settings) -> Any:
    if isinstance(value, FromSettings):
        return _resolve(value(settings), settings)
    if isinstance(value, On):
        return dagster.AssetDep(value.asset, partition_mapping=_resolve(value.mapping, settings))
    if type(value) is dict:
        return {name: _resolve(one, settings) for name, one in value.items()}
    if type(value) is list:
        return [_resolve(one, settings) for one in value]
    return value
