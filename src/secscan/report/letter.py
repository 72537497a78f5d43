"""A letter to an agency's owner, as text for mail and as one self-contained HTML page."""

import textwrap
from collections.abc import Iterator, Sequence

from secscan.language import _, in_use, plural, speaking, texts_in
from secscan.report import formats
from secscan.report.rendering import environment
from secscan.report.text import sentence, visible
from secscan.report.views.letter import LetterPlace, LetterView, Matter
from secscan.report.words import severity_word

#: Columns: what mail programs show without breaking lines (RFC 5322, 2.1.1).
WIDTH = 78

#: Places of one matter that are told one by one; a letter is read by a person.
MOST_PLACES = 25


def letter_html(view: LetterView, language: str) -> str:
    with speaking(language):
        template = environment().get_template("letter.html.j2")
        return template.render(view=view, language=texts_in(), most_places=MOST_PLACES)


def letter_text(view: LetterView, language: str) -> str:
    """Plain text; a blank line between paragraphs."""
    with speaking(language):
        return "\n".join(_lines(view)) + "\n"


def _lines(view: LetterView) -> Iterator[str]:
    name = view.agency.names.get(in_use()) or next(iter(view.agency.names.values()), view.agency.id)
    yield _("Letter {number} on the security of your servers").format(number=view.number)
    yield name
    yield formats.day(view.at)
    yield ""
    if view.contacts:
        yield from _wrapped(_("To: {names}").format(names=", ".join(view.contacts)))
        yield ""
    yield from _wrapped(_introduction(view))
    parts = (
        (_("OVERDUE: please mend this first"), view.overdue),
        (_("It came back after it was mended"), view.reopened),
        (_("New since the last letter"), view.new),
        (_("A reminder: the deadline comes closer"), view.reminders),
    )
    for heading, matters in parts:
        if matters:
            yield from ("", heading, "=" * len(heading))
            for number, matter in enumerate(matters, start=1):
                yield ""
                yield from _matter(number, matter)
    if view.fixed:
        heading = _("Thank you: this was mended")
        yield from ("", heading, "=" * len(heading), "")
        for matter in view.fixed:
            for place in matter.places[:MOST_PLACES]:
                yield from _wrapped(f"{_where(place)}: {_title(matter)}", "- ")
            yield from _more(matter.places, "- ")
    yield ""
    yield from _wrapped(
        _(
            "Judged as of {at}, run {run}. Each line has the number of its finding; ask with it where something is not "
            "clear. What is mended is seen by the next scan, and needs no answer."
        ).format(at=formats.instant(view.judged_at), run=view.run)
    )


def _introduction(view: LetterView) -> str:
    told = sum(
        len(m.places) for part in (view.overdue, view.reopened, view.new, view.reminders) for m in part
    )
    standing = plural("{n} finding is open in all.", "{n} findings are open in all.", view.standing)
    if not told:
        return _("There is nothing new to mend.") + " " + standing
    asked = plural(
        "This letter asks for {n} thing that earlier ones did not say, or that is due.",
        "This letter asks for {n} things that earlier ones did not say, or that are due.",
        told,
    )
    return asked + " " + standing


def _matter(number: int, matter: Matter) -> Iterator[str]:
    yield from _wrapped(_title(matter), f"{number}. ")
    due = _("by {day}").format(day=formats.day(matter.due)) if matter.due else _("no deadline")
    yield from _wrapped(
        _("Severity: {severity}. To be mended: {due}.").format(
            severity=severity_word(matter.severity), due=due
        ),
        "   ",
    )
    for label, text in ((_("Why: {text}"), matter.why), (_("How: {text}"), matter.fix)):
        if text:
            yield from _wrapped(label.format(text=visible(_(text), limit=4000)), "   ")
    if matter.commands:
        yield "   " + _("To be typed on the server:")
        # Not wrapped: it is copied.
        yield from (f"       {command}" for command in matter.commands)
    for place in matter.places[:MOST_PLACES]:
        when = ""
        if place.due is not None:
            told = _("was due {day}") if place.is_overdue else _("due {day}")
            when = f" ({told.format(day=formats.day(place.due))})"
        yield from _wrapped(f"{_where(place)}: {sentence(place.evidence)}{when} [{place.id}]", "   - ")
    yield from _more(matter.places, "   - ")


def _more(places: Sequence[LetterPlace], lead: str) -> Iterator[str]:
    left = len(places) - MOST_PLACES
    if left > 0:
        yield lead + plural("and {n} more place", "and {n} more places", left)


def _title(matter: Matter) -> str:
    if matter.claim:
        return _("expected: {claim}").format(claim=visible(_(matter.claim), limit=1000))
    return sentence(matter.evidence)


def _where(place: LetterPlace) -> str:
    name = f" ({place.server_name})" if place.server_name and place.server_name != place.host else ""
    return " ".join(filter(None, (place.host, place.port))) + name


def _wrapped(text: str, lead: str = "") -> list[str]:
    """Lines that go on under the beginning of the first."""
    # A word is never cut: the names of hosts and files are copied.
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    )
