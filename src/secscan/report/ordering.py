"""The order of names on a page, as readers of the language in use look for them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

_NUMBER = re.compile(r"(\d+)")


def places_by_name(names: Iterable[tuple[str, str]]) -> Mapping[str, int]:
    """Id -> place, of pairs of id and name; equal names go by id."""
    ordered = sorted(names, key=lambda one: (name_key(one[1]), one[0]))
    return {id: place for place, (id, _) in enumerate(ordered)}


def name_key(name: str) -> tuple[tuple[int, str], ...]:
    """Letters before their marks and case, and numbers by their value: district 9 before district 10."""
    bare = "".join(c for c in unicodedata.normalize("NFD", name.casefold()) if not unicodedata.combining(c))
    parts = _NUMBER.split(bare.replace("đ", "d~"))
    return (*((int(part), "") if part.isdecimal() else (-1, part) for part in parts), (-1, name))
