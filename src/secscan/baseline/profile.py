"""Reads profiles: TOML files that extend one another, checked against the checks that there are.

A profile is written like this::

    name = "strict"                          # the name of the file, without .toml
    titles = { en = "Strict baseline", vi = "Chuẩn nghiêm ngặt" }
    extends = "network"                      # optional: one parent, whose keys this file overrides one by one
    carry_days = 14                          # how long a pass stands while nobody looks again
    tls_ports = [443, 8443]                  # TCP ports that must speak TLS where the inventory says nothing

    [domains.ports]
    weight = 1                               # against the other domains of a host
    rules = ["port.*", "tls.renegotiation"]  # checks, or all checks of a family; each check in one domain only
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

A table is overridden key by key, an array or a value as a whole. What a profile and its parents leave out of a
rule's limits has the check's default; everything else must be given somewhere.
"""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from secscan.baseline.layers import Layers
from secscan.baseline.reading import read_baseline
from secscan.baseline.rules import Baseline
from secscan.check import Check
from secscan.language import _
from secscan.toml_source import (
    ConfigurationError,
    Mistake,
    Source,
    in_order,
    nearest,
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
    chain = _chain(file, profiles)
    layers = Layers(chain[-1], checks)
    for source in chain:
        layers.lay(source)
    return read_baseline(layers, checks)


def _chain(file: Traversable, profiles: Mapping[str, Traversable]) -> list[Source]:
    """The profile after all it extends, the farthest first."""
    chain = [_read(file)]
    while True:
        source = chain[0]
        parent = source.data.get("extends")
        if parent is None:
            return chain
        if not isinstance(parent, str):
            message = _("{value} does not fit here; expected the name of a profile, in quotes")
            raise _wrong(source, message.format(value=shown_value(parent)))
        if parent not in profiles:
            raise _wrong(source, _no_such(parent, profiles))
        before = [above.path.stem for above in chain]
        if parent in before:
            way = " > ".join([*reversed(before[: before.index(parent) + 1]), parent])
            raise _wrong(source, _("a profile can't extend itself: {way}").format(way=way))
        chain.insert(0, _read(profiles[parent]))


def _wrong(source: Source, message: str) -> ConfigurationError:
    return ConfigurationError([source.mistake(("extends",), message)])


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
