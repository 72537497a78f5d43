"""secscan checks: list, explain."""

import click

from secscan.cli.console import out, table, write
from secscan.cli.options import checks_dir
from secscan.language import _


@click.group("checks")
def command() -> None:
    """List and explain the checks."""


@command.command("list")
@checks_dir
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def list_checks(checks_dir: str | None, form: str) -> None:
    """Every check, its severity and what is true when it passes."""
    import json

    from secscan.cli.parts import find_all_checks
    from secscan.report.words import severity_word

    checks = find_all_checks(checks_dir)
    if form == "json":
        document = [{"id": c.id, "severity": c.severity.word, "claim": _(c.claim)} for c in checks.values()]
        write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        return
    rows = [(c.id, severity_word(c.severity), _(c.claim)) for c in checks.values()]
    out().print(table("", [_("Check"), _("Severity"), _("What is true when it passes")], rows))


@command.command("explain")
@click.argument("check_id", metavar="ID")
@checks_dir
def explain(check_id: str, checks_dir: str | None) -> None:
    """One check in full: its claim, why it matters, how to fix it, and what a profile may set."""
    from secscan.cli.parts import find_all_checks, require_check
    from secscan.report.words import severity_word

    checks = find_all_checks(checks_dir)
    require_check(check_id, checks)
    check = checks[check_id]
    kinds = ", ".join(sorted(kind.kind for kind in check.kinds))
    click.echo(f"{check.id}  ({severity_word(check.severity)})\n")
    click.echo(f"{_(check.claim)}\n")
    click.echo(_("Why: {text}").format(text=_(check.why)) + "\n")
    click.echo(_("Fix: {text}").format(text=_(check.fix)) + "\n")
    click.echo(_("Judges facts of kind: {kinds}").format(kinds=kinds))
    if check.limits is not None:
        click.echo(_("A profile may set:"))
        for name, field in check.limits.model_fields.items():
            about = f"  {name} = {field.get_default(call_default_factory=True)!r}"
            click.echo(about + (f"  ({_(field.description)})" if field.description else ""))
