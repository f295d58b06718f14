"""The candidate sources of requests with a filter: each source reads only allowed items."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rec_assets.inference.candidate_sources import CandidateSources, Flags, Floats, Ids, PopularItems, Search, best
from rec_assets.inference.lookups import FIRST_KNOWN, Lookups
from rec_assets.serving.graph.filters import Filters
from rec_assets.serving.stages.allowed import GetCatalog, KeptByFilter

if TYPE_CHECKING:
    import faiss

EXACT_UP_TO = 200_000  # allowed items; up to here, an exact search is faster (benchmarks/filters.py)
MOST_VECTORS = 400_000  # of the filters that are kept, 100 MB
MORE_LISTS = 2.0


@dataclass(frozen=True)
class Allowed:
    """Data of one filter for retrieval: the sources, the popular items, and the number of vectors that it holds."""

    sources: CandidateSources
    popular: PopularItems
    vectors: int


class Restriction:
    """Restricts the candidate sources to the items of a filter."""

    def __init__(
        self,
        sources: CandidateSources,
        popularity_week: Floats,
        index: "faiss.Index",
        lookups: Lookups,
    ) -> None:
        """Stores the parts.

        Args:
            sources: the sources of all items.
            popularity_week: the signal of this name by encoded id [v].
            index: the index that `sources` searches.
            lookups: the fitted workflow.
        """
        self._sources = sources
        self._popularity = popularity_week
        self._index = index
        self._lookups = lookups

    def __call__(self, filters: Filters[int], allowed: Flags) -> Allowed:
        """Returns the parts for a filter and its allowed items, True by encoded id [v]."""
        allowed = allowed[: len(self._sources.indexed)] & self._sources.indexed
        members = np.flatnonzero(allowed).astype(np.int32)
        search = self._search(members)
        exact = search is None
        sources = self._sources.restricted(
            search or exact_search(members, self._sources.vectors),
            allowed,
            repeats=self._sources.repeats and not filters.new_to_user,
        )
        return Allowed(sources, PopularItems.of(self._popularity, allowed), len(members) if exact else 0)

    def _search(self, members: Ids) -> Search | None:
        """Returns a search of an inverted index among `members`, or None if an exact search is at least as fast."""
        import faiss

        index = self._index
        if len(members) <= EXACT_UP_TO or not isinstance(index, faiss.IndexIVF):
            return None
        raw_ids = self._lookups.decode("item_id", members).astype(np.int64)
        bits = np.zeros(int(raw_ids.max()) + 1, np.bool_)
        bits[raw_ids] = True
        make_selector: Any = faiss.IDSelectorBitmap  # the stubs have the arguments of C++
        # More allowed items are compared than without a filter, because the nearest of them are farther away.
        lists = min(index.nlist, int(np.ceil(MORE_LISTS * index.nprobe * index.ntotal / len(members))))
        parameters = faiss.SearchParametersIVF()
        parameters.sel, parameters.nprobe = make_selector(np.packbits(bits, bitorder="little")), lists

        def search(queries: Floats, depth: int) -> Ids:
            found = index.search(queries, min(depth, len(members)), params=parameters)[1]
            codes = self._lookups.encode("item_id", found)
            return np.where(codes < FIRST_KNOWN, np.int32(0), codes)

        return search


def kept_by_filter(restriction: Restriction, catalog: GetCatalog, lookups: Lookups) -> KeptByFilter[Allowed]:
    """Returns the restricted sources for the text of a filter, and keeps those of the latest filters."""
    return KeptByFilter(restriction, catalog, lookups, most=MOST_VECTORS, size=lambda one: one.vectors)


def exact_search(members: Ids, vectors: Floats) -> Search:
    """Returns an exact search among some items.

    Args:
        members: encoded ids, ascending [m].
        vectors: item vectors by encoded id [w, 64].
    """
    held = np.ascontiguousarray(vectors[members])

    def search(queries: Floats, depth: int) -> Ids:
        return members[best(queries @ held.T, depth)]

    return search
