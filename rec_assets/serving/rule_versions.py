"""The versions of a shop's rules in the artifact store, and their way to the serving processes.

The asset `shop_rules` holds the rules as the owner wrote them, and all versions before with author and time.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from rec_assets.common.errors import ActionableError
from rec_assets.features.history import MAX_ID
from rec_assets.serving.ids import BRAND, CATEGORY_1, CATEGORY_2, ITEM, UNKNOWN, Id, Ids
from rec_assets.serving.rules.rules import Rules, parse_rules
from rec_assets.serving.rules.store import CurrentRules, version_of
from rec_assets.settings import Settings
from rec_assets.sources import category_names
from rec_assets.sources.base import RAW_ITEMS
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store
from rec_assets.storage.valkey.client import connect

ASSET, FILE, VERSIONS = "shop_rules", "rules.toml", "versions.json"
MOST_VERSIONS = 100
_KINDS = {"items": ITEM, "item": ITEM, "category_l1": CATEGORY_1, "category_l2": CATEGORY_2, "brand": BRAND}


class RuleVersion(BaseModel):
    """One version of the rules.

    Attributes:
        number: 1, 2, 3, …; 0 is the shop without rules.
        text: content of the file.
        by: name of its author.
        at: time of its publication.
        before: number of the version that `undo` returns to; -1 for none.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    text: str
    by: str
    at: datetime
    before: int

    @property
    def title(self) -> str:
        """Returns number, author and time for a person."""
        return f"version {self.number}, {self.by}, {self.at:%Y-%m-%d %H:%M} UTC" if self.number else "no rules"


NO_RULES = RuleVersion(number=0, text="", by="", at=datetime.fromtimestamp(0, UTC), before=-1)
_VERSIONS = TypeAdapter(list[RuleVersion])


@dataclass(frozen=True)
class RuleVersions:
    """All kept versions, oldest first, and the digest of their artifact, empty without one."""

    versions: tuple[RuleVersion, ...]
    digest: str

    @classmethod
    def load(cls, store: ArtifactStore) -> "RuleVersions":
        """Reads the versions; raises ActionableError if they are damaged."""
        artifact = store.find(ASSET)
        if artifact is None:
            return cls((), "")
        return cls(tuple(_VERSIONS.validate_json((artifact / VERSIONS).read_bytes())), artifact.digest)

    @property
    def current(self) -> RuleVersion:
        """Returns the current version, `NO_RULES` before the first one."""
        return self.versions[-1] if self.versions else NO_RULES

    def version(self, number: int) -> RuleVersion | None:
        """Returns a version by its number, None if it is not kept."""
        return next((one for one in (NO_RULES, *self.versions) if one.number == number), None)


class ShopRules:
    """Checks, publishes and reads the rules of the settings' shop."""

    def __init__(self, settings: Settings, ids: Ids | None = None) -> None:
        """Stores the settings; `ids` translates the shop's ids, by default with the codes of the settings' store."""
        self._settings = settings
        self._ids = ids or Ids(settings)

    def check(self, text: str, file: str = FILE) -> Rules[int]:
        """Returns the rules of a file with the numbers of the models.

        Raises:
            ActionableError: the file is wrong, or names unknown items, categories or brands; a line for each.
        """
        return numbered(parse_rules(text, file), self._ids, self._catalog(), category_names(self._settings), file)

    def versions(self) -> RuleVersions:
        """Reads all versions from the artifact store."""
        return RuleVersions.load(open_store(self._settings))

    def find(self, digest: str) -> Rules[int]:
        """Returns the kept rules whose version in Valkey has this digest, as hexadecimal digits.

        Raises:
            ActionableError: no kept version has it; a version whose items left the catalog cannot be found.
        """
        for version in reversed(self.versions().versions):
            with suppress(ActionableError):
                rules = self.check(version.text)
                if version_of(rules).hex() == digest:
                    return rules
        raise ActionableError(
            f"No kept version of the shop's rules has the digest {digest}.",
            f"`rec rules show --history` lists the versions; the store keeps the last {MOST_VERSIONS}.",
        )

    def publish(self, text: str, by: str) -> RuleVersion:
        """Publishes a version; every serving process follows within seconds.

        Raises:
            ActionableError: the rules are wrong, another version was published meanwhile, or Valkey does not answer.
                If only Valkey does not answer, the version is kept and `rec rules apply` sends it again.
        """
        rules, earlier = self.check(text), self.versions()
        return self._add(earlier, rules, text, by, earlier.current.number)

    def undo(self, by: str) -> RuleVersion:
        """Publishes the version before the current one again; raises ActionableError as `publish` or without one."""
        earlier = self.versions()
        before = earlier.version(earlier.current.before) if earlier.versions else None
        if before is None:
            raise ActionableError("The shop has no earlier rules.", "Publish rules with `rec rules set FILE`.")
        return self._add(earlier, self.check(before.text), before.text, by, before.before)

    def apply(self) -> RuleVersion:
        """Sends the current version to Valkey; needed after Valkey lost its data. Without a version, sends nothing."""
        current = self.versions().current
        if current.number:
            self._send(self.check(current.text))
        return current

    def _add(self, earlier: RuleVersions, rules: Rules[int], text: str, by: str, before: int) -> RuleVersion:
        made = RuleVersion(number=earlier.current.number + 1, text=text, by=by, at=datetime.now(UTC), before=before)
        kept = [*earlier.versions, made][-MOST_VERSIONS:]
        with open_store(self._settings).publish(ASSET, replaces=earlier.digest) as draft:
            (draft.path / FILE).write_text(text)
            (draft.path / VERSIONS).write_bytes(_VERSIONS.dump_json(kept, indent=1))
        try:
            self._send(rules)
        except ActionableError as error:
            step = f"{error.next_step} Then run `rec rules apply`."
            raise ActionableError(f"The rules are kept, but not applied. {error.problem}", step) from error
        return made

    def _send(self, rules: Rules[int]) -> None:
        CurrentRules(connect(self._settings)).replace(rules)

    def _catalog(self) -> dict[str, set[int]] | None:
        """Returns the numbers of the catalog's items, categories and brands, None before `raw_items`."""
        import polars as pl

        artifact = open_store(self._settings).find("raw_items")
        if artifact is None:
            return None
        columns, file = {ITEM: "item_id", CATEGORY_1: CATEGORY_1, CATEGORY_2: CATEGORY_2}, artifact / RAW_ITEMS
        columns |= {BRAND: BRAND} if BRAND in pl.read_parquet_schema(file) else {}
        rows = pl.read_parquet(file, columns=list(columns.values()))
        found = {kind: set(rows[column].drop_nulls().unique().to_list()) for kind, column in columns.items()}
        return {BRAND: set(), **found}


def numbered(
    rules: Rules[Id], ids: Ids, catalog: dict[str, set[int]] | None, names: dict[int, str], file: str = FILE
) -> Rules[int]:
    """Returns rules with the numbers of the models.

    Args:
        rules: rules with the shop's ids.
        ids: translates texts.
        catalog: known numbers by kind, for shops whose ids are numbers; None allows all.
        names: names of level-1 categories by number, for such shops.
        file: name of the file, for messages.

    Raises:
        ActionableError: an item, a category or a brand is unknown; a line for each rule.
    """
    codes, problems = {name: code for code, name in names.items()}, []

    def number(kind: str, given: Id) -> int:
        if ids.are_texts:
            return ids.number(kind, str(given))
        found = codes.get(given, given) if kind == CATEGORY_1 and isinstance(given, str) else given
        value = int(found) if isinstance(found, int) or found.strip().isdecimal() else UNKNOWN
        is_known = value in catalog[kind] if catalog is not None else 0 <= value <= MAX_ID
        return value if is_known else UNKNOWN

    def replaced(rule: dict[str, Any], where: str) -> dict[str, Any]:
        made = dict(rule)
        for name, kind in _KINDS.items():
            if name in rule:
                given = rule[name] if isinstance(rule[name], list) else [rule[name]]
                found = [number(kind, one) for one in given]
                if unknown := [str(one) for one, code in zip(given, found, strict=True) if code == UNKNOWN]:
                    problems.append(f"{file}: {where}: {name} has no {_listed(unknown)} in the catalog.")
                made[name] = found if isinstance(rule[name], list) else found[0]
        return made

    content: dict[str, list[dict[str, Any]]] = {}
    for kind, rule in rules.all():
        plain = replaced(rule.model_dump(exclude_defaults=True), f"rule '{rule.name}' ({kind})")
        content.setdefault(kind, []).append(plain)
    if problems:
        raise ActionableError("\n".join(problems), "Correct the ids or names, then run `rec rules check` again.")
    return Rules[int].model_validate(content)


def _listed(values: Iterable[str], most: int = 5) -> str:
    first = [json.dumps(value, ensure_ascii=False) for value in values]
    return ", ".join(first[:most]) + (f" and {len(first) - most} more" if len(first) > most else "")
