"""Writes a drafted mapping as TOML with comments. Does not guess."""

from rec_assets.sources.shop.mapping import Interactions, Items, Shop, Users

_DEFAULTS = {"interactions": Interactions(user="", item="", time=""), "items": Items(), "users": Users()}


def as_toml(shop: Shop, comments: tuple[str, ...] = ()) -> str:
    """Returns the text of a mapping file; entries with their default value are left out."""
    values = shop.model_dump(mode="json")
    lines = [f"# {comment}" for comment in comments]
    lines += [f"{name} = {_toml(value)}" for name, value in values.items() if not isinstance(value, dict)]
    for section in ("days", *_DEFAULTS):
        defaults = _DEFAULTS[section].model_dump(mode="json") if section in _DEFAULTS else {}
        entries = {name: value for name, value in values[section].items() if value != defaults.get(name)}
        if entries:
            lines += ["", f"[{section}]"]
            # A TOML date has no quotes.
            lines += [f"{name} = {value if section == 'days' else _toml(value)}" for name, value in entries.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
