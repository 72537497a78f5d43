"""Reads profiles: TOML files that extend one another, checked against the checks that there are.

A profile is written like this::

    name = "our-own"                         # the name of the file, without .toml
    titles = { en = "Our own baseline", vi = "Chuẩn riêng" }
    extends = "network"                      # optional: one parent, whose keys this file overrides one by one
    carry_days = 14                          # how long a pass stands while nobody looks again
    tls_ports = [443, 8443]                  # TCP ports that must speak TLS where the inventory says nothing

    [domains.ports]
    weight = 1                               # against the other domains of a host
    rules = ["port.*"]                       # checks, or all checks of a family; each check in one domain only
    enabled = true                           # false: a domain of the parent that does not count here

    [rules."port.*"]                         # what holds for every rule of a family that has the limit
    tarpit_ports = 100
    [rules."port.count"]                     # what holds for one rule; it overrides its family's
    severity = "medium"                      # instead of the check's own; a domain's weights follow from it
    enabled = false                          # the rule does not count here
    cap = 20                                 # cap on a host's score while it fails at its full severity
    known_exploited = true                   # what fails here is known to be exploited: so is its deadline
    most = 20                                # a limit of the check: `secscan checks explain port.count`

    [deadlines]                              # days that a failure may stay open, by severity; without one: for ever
    known_exploited = 7
    critical = 15

    [scoring]
    meets = 80                               # lowest score that meets the baseline
    mean_share_percent = 70                  # the mean's part of a group's score; the rest is its worst part's
    worst_divisor = 10                       # the worst part is one in so many members ...
    worst_most = 10                          # ... and at most so many
    enough_coverage_percent = 70             # below it a page says that not enough was seen
    [scoring.weights]                        # weight of a rule by its severity
    critical = 10
    [scoring.caps]                           # cap on a host's score while such a failure is open
    critical = 39
    [scoring.grades]                         # lowest score of each grade; one of them is 0
    A = 90

    [roles.mail]                             # what is otherwise for hosts of this role in the inventory
    apply = ["mail"]                         # profiles that are laid upon what holds for all, in this order ...
    tls_ports = [443, 465, 993]              # ... and upon them what this table says itself
    deadlines.critical = 7
    domains.ports.weight = 2                 # or enabled = false
    rules."port.count".most = 12
    [levels.3]                               # the same for a security level, ...
    apply = ["level-3"]
    [tiers.commune]                          # ... for agencies of a tier, ...
    deadlines.low = 365
    [hosts.web-1]                            # ... and for a single host
    rules."tls.tls10".severity = "low"

A table is overridden key by key, an array or a value as a whole. What a profile and its parents leave out of a
rule's limits has the check's default; everything else must be given somewhere, but for deadlines and what is said
of some hosts.

How it is put together for one host. First what holds for all: the profiles that this one extends, the farthest
first, then itself. Upon that what is said of the tier of its agency, then of its level, then of its role, then of
itself: from what says least of the machine to what says most. Whatever is laid later goes first, key by key. Within
one of these four, first the profiles that are applied, then the tables, the farthest parent's first; a child's
``apply`` stands in place of its parent's.

A profile that can be applied to some hosts begins with ``upon = "baseline"`` in place of ``extends``: it says only
what is otherwise, and ``upon`` names what it stands upon where it is used by itself. What extends such a profile can
be applied as well. A profile is laid once: where a whole fleet is held to ``level-3``, a host of level 2 is held to
level 3 all the same, and one of level 5 to levels 4 and 5 besides. So a level in the inventory can only add to
what was chosen for all, as long as each level is stricter than the one it extends.

Scores stay comparable, because some things can't be said of some hosts: how severities weigh, caps by severity,
grades, how groups are blended, and how long a pass carries. A host's score is always a share of what is asked of it.
The rejected alternative, one profile for each combination of role and level, would be 45 files that drift apart.
The hash of a baseline is over all of this, for it is the hash of what any host may be held to.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from secscan.baseline.layers import Layers, check_name, not_a_table, table_at
from secscan.baseline.reading import Written, WrittenOverlay, read_baseline
from secscan.baseline.rules import Baseline, Selector
from secscan.baseline.schema import LEVELS, OWN, SELECTORS, OverlayTable, ProfileTable
from secscan.check import Check
from secscan.language import _
from secscan.toml_source import (
    ConfigurationError,
    Mistake,
    Source,
    in_order,
    nearest,
    not_one_of,
    read_text,
    read_toml,
    shown_value,
)


def available_profiles(folder: Path | None = None) -> Mapping[str, Traversable]:
    """The built-in profiles and those in the operator's ``folder``, by name; a missing folder has none.

    Raises ConfigurationError where a file of the operator's has the name of a built-in profile: what a report
    says an agency was held to must mean the same everywhere.
    """
    built_in = _built_in()
    own = {_name_of(file): file for file in _profiles_in(folder)} if folder is not None else {}
    mistakes = [_takes_a_name(file) for name, file in own.items() if name in built_in and not _same(file)]
    if mistakes:
        raise ConfigurationError(in_order(mistakes))
    found: dict[str, Traversable] = {**own, **built_in}
    return {name: found[name] for name in sorted(found)}


def load_baseline(name_or_path: str, checks: Mapping[str, Check], *, folder: Path | None = None) -> Baseline:
    """The profile of this name, or in this file (what ends in ``.toml``), as a baseline over ``checks``.

    Names are looked up among the built-in profiles and in ``folder``; what a file extends, in the file's own
    folder where none is given. Raises ConfigurationError with every mistake in the profile and its parents.
    """
    if name_or_path.endswith(".toml"):
        file: Traversable = Path(name_or_path)
        profiles = available_profiles(folder or Path(name_or_path).parent)
        if _name_of(file) in _built_in() and not _same(file):
            raise ConfigurationError([_takes_a_name(file)])
    else:
        profiles = available_profiles(folder)
        if name_or_path not in profiles:
            wanted = Path(f"{name_or_path}.toml")
            raise ConfigurationError([Mistake(wanted, None, "", _no_such(name_or_path, profiles))])
        file = profiles[name_or_path]
    return read_baseline(_Collecting(profiles, checks).written(_read(file)), checks)


class _Collecting:
    """Brings together every file that one profile means."""

    def __init__(self, profiles: Mapping[str, Traversable], checks: Mapping[str, Check]) -> None:
        self.profiles = profiles
        self.checks = checks
        self.mistakes: list[Mistake] = []
        self._sources: dict[str, Source] = {}

    def written(self, head: Source) -> Written:
        chain = self._chain(head)
        layers = Layers(self.checks)
        for source in chain:
            self.mistakes += check_name(source)
            layers.lay(source, without=SELECTORS)
        overlays = {selector: self._overlay(selector, chain) for selector in self._selectors(chain)}
        return Written(head, layers, overlays, self.mistakes)

    def _chain(self, source: Source) -> list[Source]:
        """The profile after all it extends or stands upon, the farthest first. Raises ConfigurationError."""
        chain = [source]
        while True:
            source = chain[0]
            if "extends" in source.data and "upon" in source.data:
                raise _wrong(
                    source, "upon", _("a profile extends another or stands upon it; keep one of the two")
                )
            key = "upon" if "upon" in source.data else "extends"
            parent = source.data.get(key)
            if parent is None:
                return chain
            if not isinstance(parent, str):
                message = _("{value} does not fit here; expected the name of a profile, in quotes")
                raise _wrong(source, key, message.format(value=shown_value(parent)))
            if parent not in self.profiles:
                raise _wrong(source, key, _no_such(parent, self.profiles))
            before = [above.path.stem for above in chain]
            if parent in before:
                way = " > ".join([*reversed(before[: before.index(parent) + 1]), parent])
                raise _wrong(source, key, _("a profile can't extend itself: {way}").format(way=way))
            chain.insert(0, self._named(parent))

    def _named(self, name: str) -> Source:
        if name not in self._sources:
            self._sources[name] = _read(self.profiles[name])
        return self._sources[name]

    def _selectors(self, chain: Iterable[Source]) -> list[Selector]:
        """The hosts that any of the files speaks of, in the order in which overlays are laid."""
        found: dict[Selector, None] = {}
        for source in chain:
            for kind in SELECTORS:
                tables = source.data.get(kind, {})
                if not isinstance(tables, dict):
                    self.mistakes.append(source.mistake((kind,), not_a_table(tables)))
                    continue
                for name, table in tables.items():
                    if not isinstance(table, dict):
                        self.mistakes.append(source.mistake((kind, name), not_a_table(table)))
                    elif kind == "levels" and name not in LEVELS:
                        self.mistakes.append(source.mistake((kind, name), not_one_of(name, LEVELS)))
                    elif table:
                        found[kind, name] = None
        return sorted(found, key=lambda selector: SELECTORS.index(selector[0]))

    def _overlay(self, selector: Selector, chain: Sequence[Source]) -> WrittenOverlay:
        layers = Layers(self.checks)
        applied: list[str] = []
        # What the profile stands on was laid below; laid again, it would undo what the profile says itself.
        laid = {source.path.stem for source in chain}
        for name, layer in self._applied(selector, chain):
            applied.append(name)
            for source in layer:
                if source.path.stem not in laid:
                    laid.add(source.path.stem)
                    self._lay_layer(source, layers)
        for source in chain:
            if table_at(source, selector):
                layers.lay(source, selector)
        return WrittenOverlay(tuple(applied), layers)

    def _lay_layer(self, source: Source, layers: Layers) -> None:
        self.mistakes += check_name(source)
        for_all = [key for key in _FOR_ALL if key in source.data]
        for key in for_all:
            message = _("holds for all hosts, so it can't be set in a profile that is applied to some")
            self.mistakes.append(source.mistake((key,), message))
        layers.lay(source, without=(*OWN, *for_all))

    def _applied(self, selector: Selector, chain: Sequence[Source]) -> Iterator[tuple[str, list[Source]]]:
        """The profiles that are applied to these hosts, and the files of each, those they stand upon left out."""
        speaking = [source for source in chain if "apply" in table_at(source, selector)]
        names = table_at(speaking[-1], selector)["apply"] if speaking else ()
        for i, name in enumerate(names if isinstance(names, list) else ()):
            if not isinstance(name, str):
                continue  # Told where the table is parsed.
            loc = (*selector, "apply", i)
            if name not in self.profiles:
                self.mistakes.append(speaking[-1].mistake(loc, _no_such(name, self.profiles)))
                continue
            try:
                chain_of_it = self._chain(self._named(name))
            except ConfigurationError as error:
                self.mistakes += error.mistakes
                continue
            bottoms = [place for place, source in enumerate(chain_of_it) if "upon" in source.data]
            if bottoms:
                yield name, chain_of_it[bottoms[-1] :]
            else:
                message = _(
                    "{name} is a whole profile, which can't be applied to some hosts; one that can says "
                    "upon = ... in place of extends"
                ).format(name=shown_value(name))
                self.mistakes.append(speaking[-1].mistake(loc, message))


#: Keys of a profile that can't be said of some hosts alone.
_FOR_ALL = tuple(key for key in ProfileTable.model_fields if key not in {*OWN, *OverlayTable.model_fields})


def _wrong(source: Source, key: str, message: str) -> ConfigurationError:
    return ConfigurationError([source.mistake((key,), message)])


def _no_such(name: str, profiles: Mapping[str, Traversable]) -> str:
    message = _("there is no profile {name}").format(name=shown_value(name))
    guess = nearest(name, list(profiles))
    if guess:
        return f"{message}; " + _("did you mean '{guess}'?").format(guess=guess)
    return f"{message}; " + _("there are {known}").format(known=", ".join(profiles))


def _built_in() -> Mapping[str, Traversable]:
    return {
        _name_of(file): file for file in files("secscan.profiles").iterdir() if file.name.endswith(".toml")
    }


def _profiles_in(folder: Path) -> Iterable[Path]:
    return folder.glob("*.toml") if folder.is_dir() else ()


def _name_of(file: Traversable) -> str:
    return file.name.removesuffix(".toml")


def _same(file: Traversable) -> bool:
    """Whether this is the built-in profile of its name itself."""
    built_in = _built_in().get(_name_of(file))
    return isinstance(file, Path) and isinstance(built_in, Path) and file.resolve() == built_in.resolve()


def _takes_a_name(file: Traversable) -> Mistake:
    name = _name_of(file)
    message = _("a built-in profile has this name; choose another, and extend it: extends = {name}")
    return Mistake(Path(str(file)), None, "", message.format(name=shown_value(name)))


def _read(file: Traversable) -> Source:
    # What comes out of an archive has no path to open; built-in profiles can be trusted to be small.
    if isinstance(file, Path):
        return read_toml(file)
    return read_text(file.read_text(encoding="utf-8"), Path(str(file)))
