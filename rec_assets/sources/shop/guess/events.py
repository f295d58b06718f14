"""Sorts event types into the roles of a mapping by their words."""

from collections.abc import Iterable

from rec_assets.sources.shop.guess.names import plain

# Words of event types by the list of the mapping that they join; the first group with a word of a type wins. Types of
# no group, such as impressions, are dropped.
EVENT_WORDS = {
    "": "remove refund return cancel delete impression",
    "seen_events": "hide hidden dismiss dislike unlike block skip ignore notinterested seen",
    "history_events": "preview hover compare share",
    "events": "purchase buy bought order transaction checkout sale cart add basket view pv click detail fav wish like",
}


def event_roles(types: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Returns the event types of each list of the mapping by their words; empty if no type has a word that teaches."""
    found: dict[str, list[str]] = {}
    for name in sorted(types):
        group = next(
            (key for key, words in EVENT_WORDS.items() if any(word in plain(name) for word in words.split())), ""
        )
        found.setdefault(group, []).append(name)
    return (
        {group: tuple(found[group]) for group in EVENT_WORDS if group and group in found} if "events" in found else {}
    )
