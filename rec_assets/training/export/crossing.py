"""Finds the values that cross between the models of a factored ranker. Does not write any model."""

from collections.abc import Iterable

import numpy as np

from rec_assets.training.export.affine import Activation, Affine, Column, Dot, Matrix, Role, Term


class Crossing:
    """The values that cross from one model to another.

    Attributes:
        score: the ranker.
        affines: affine maps that the candidate model computes.
        item_vectors, request_vectors: vectors of the other two models that the candidate model multiplies.
        columns: float inputs of the candidate model.
        item_parts: scalars of the item in each affine map, and their weights.
    """

    def __init__(self, score: Affine) -> None:
        self.score = score
        reached = list(dict.fromkeys(_reach(score)))
        terms = list(dict.fromkeys(term for one in reached for term in one.weights))
        dots = [one for one in terms if isinstance(one, Dot) and one.role == Role.CANDIDATE]
        ends = list(dict.fromkeys(end for one in dots for end in (one.left, one.right)))
        self.affines = [one for one in reached if one.role == Role.CANDIDATE and only_term(one) is None]
        self.item_vectors = [one for one in ends if one.role == Role.ITEM]
        self.request_vectors = [one for one in ends if one.role in (Role.REQUEST, Role.CONSTANT)]
        self.columns = [one for one in terms if isinstance(one, Column) and one.role == Role.CANDIDATE]
        self.item_parts: dict[Affine, tuple[Affine, Matrix]] = {}
        for one in self.affines:
            part = one.part(Role.ITEM)
            if part.weights:
                # The terms themselves, or their sum if it has fewer columns.
                terms_beside = Affine.of(*part.weights)
                is_narrow = terms_beside.width <= one.width
                weights = np.concatenate(list(part.weights.values())) if is_narrow else np.eye(one.width)
                self.item_parts[one] = (terms_beside if is_narrow else part, weights)

    def weights_of_item_scalars(self, affine: Affine) -> Matrix | None:
        """Returns the weights of all scalars of the item in an affine map; None if it has no such part."""
        if affine not in self.item_parts:
            return None
        return np.concatenate(
            [
                weights if one is affine else np.zeros((scalars.width, affine.width))
                for one, (scalars, weights) in self.item_parts.items()
            ]
        )


def _reach(affine: Affine) -> Iterable[Affine]:
    """Yields all affine maps behind one, and the map itself at last."""
    for term in affine.weights:
        match term:
            case Activation():
                yield from _reach(term.argument)
            case Dot():
                yield from _reach(term.left)
                yield from _reach(term.right)
    yield affine


def only_term(affine: Affine) -> Term | None:
    """Returns the term that equals an affine map; None for any other map."""
    if len(affine.weights) != 1 or affine.bias.any():
        return None
    ((term, weights),) = affine.weights.items()
    return term if np.array_equal(weights, np.eye(term.width)) else None
