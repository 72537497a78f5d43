"""The order of names on a page, as readers of the language in use look for them."""

from collections.abc import Iterable, Mapping

from secscan.alphabet import sort_key


def places_by_name(names: Iterable[tuple[str, str]]) -> Mapping[str, int]:
    """Id -> place, of pairs of id and name; equal names go by id."""
    ordered = sorted(names, key=lambda one: (sort_key(one[1]), one[0]))
    return {id: place for place, (id, _) in enumerate(ordered)}
