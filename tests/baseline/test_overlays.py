"""What a profile says of some hosts alone: what it changes for them, what it leaves alone, and what is refused."""

from datetime import timedelta
from fractions import Fraction

import pytest

from secscan.baseline import Baseline, Deadlines, Rule, narrowed
from secscan.model import Host, Severity
from tests.baseline.house import HOUSE, Complain, DaysLimits, Load, PortLimits, child, limits_of

MAIL = '[roles.mail]\nrules."tls.days".days = 10\n'
LAYER = 'name = "layer"\ntitles.en = "Layer"\nupon = "house"\n'


def host(id: str = "web-1", role: str = "", level: int | None = None) -> Host:
    return Host(id, role=role, level=level)


def rule(baseline: Baseline, id: str) -> Rule:
    return next(rule for rule in baseline.rules if rule.check.id == id)


# --- What it changes ----------------------------------------------------------------------------------


class TestValues:
    @pytest.mark.parametrize(
        ("table", "meant", "tier"),
        [
            ("roles.mail", host(role="mail"), ""),
            ('roles."Máy chủ thư"', host(role="Máy chủ thư"), ""),
            ("levels.3", host(level=3), ""),
            ("tiers.commune", host(), "commune"),
            ("hosts.web-1", host("web-1"), ""),
        ],
    )
    def test_a_limit_is_another_for_the_hosts_meant(
        self, load: Load, table: str, meant: Host, tier: str
    ) -> None:
        baseline = load(HOUSE + f'[{table}]\nrules."tls.days".days = 10')
        assert limits_of(baseline.for_host(meant, tier), "tls.days") == DaysLimits(days=10)

    @pytest.mark.parametrize(
        ("table", "other", "tier"),
        [
            ("roles.mail", host(role="portal"), ""),
            ("roles.mail", host("mail"), ""),
            ("levels.3", host(level=2), ""),
            ("levels.3", host(), ""),
            ("tiers.commune", host(role="commune"), "province"),
            ("hosts.web-1", host("web-2"), ""),
        ],
    )
    def test_no_other_host_is_held_to_anything_else(
        self, load: Load, table: str, other: Host, tier: str
    ) -> None:
        baseline = load(HOUSE + f'[{table}]\nrules."tls.days".days = 10')
        assert baseline.for_host(other, tier) is baseline

    def test_what_is_not_said_is_what_holds_for_all(self, load: Load) -> None:
        baseline = load(HOUSE + '[roles.mail]\nrules."tls.days".early = 3')
        assert limits_of(baseline.for_host(host(role="mail")), "tls.days") == DaysLimits(days=20, early=3)

    def test_a_rule_that_is_not_spoken_of_is_left_alone(self, load: Load) -> None:
        baseline = load(HOUSE + MAIL)
        assert rule(baseline.for_host(host(role="mail")), "port.one") == rule(baseline, "port.one")

    @pytest.mark.parametrize("severity", Severity)
    def test_severity_can_be_milder_or_graver(self, load: Load, severity: Severity) -> None:
        baseline = load(HOUSE + f'[roles.mail]\nrules."tls.days".severity = "{severity.word}"')
        assert rule(baseline.for_host(host(role="mail")), "tls.days").severity is severity

    def test_a_rule_can_be_dropped(self, load: Load) -> None:
        baseline = load(HOUSE + '[roles.mail]\nrules."tls.days".enabled = false')
        kept = [rule.check.id for rule in baseline.for_host(host(role="mail")).rules]
        assert kept == ["tls.plain", "port.one", "port.two"]

    def test_a_rule_that_counts_for_no_other_host_can_be_brought_back(self, load: Load) -> None:
        house = HOUSE.replace("days = 20", "enabled = false")
        baseline = load(house + '[roles.mail]\nrules."tls.days".enabled = true')
        kept = [rule.check.id for rule in baseline.for_host(host(role="mail")).rules]
        assert kept == ["tls.days", "tls.plain", "port.one", "port.two"]

    def test_a_family_means_all_its_rules(self, load: Load) -> None:
        baseline = load(HOUSE + '[roles.mail]\nrules."port.*".shared = 9\nrules."port.one".shared = 1')
        held = baseline.for_host(host(role="mail"))
        assert (limits_of(held, "port.one"), limits_of(held, "port.two")) == (
            PortLimits(shared=1),
            PortLimits(shared=9),
        )

    def test_a_cap_can_be_another(self, load: Load) -> None:
        baseline = load(HOUSE + '[roles.mail]\nrules."tls.days".cap = 20')
        assert rule(baseline.for_host(host(role="mail")), "tls.days").cap == 20

    def test_a_domain_can_weigh_otherwise(self, load: Load) -> None:
        baseline = load(HOUSE + "[roles.mail]\ndomains.ports.weight = 7.5")
        assert baseline.for_host(host(role="mail")).domains == {"tls": 2, "ports": Fraction(15, 2)}

    def test_a_domain_can_be_dropped_with_its_rules(self, load: Load) -> None:
        held = load(HOUSE + "[roles.mail]\ndomains.tls.enabled = false").for_host(host(role="mail"))
        assert (list(held.domains), {r.domain for r in held.rules}) == (["ports"], {"ports"})

    def test_a_domain_that_one_drops_another_can_bring_back(self, load: Load) -> None:
        text = "[levels.3]\ndomains.tls.enabled = false\n[roles.mail]\ndomains.tls.enabled = true"
        assert list(load(HOUSE + text).for_host(host(role="mail", level=3)).domains) == ["tls", "ports"]

    def test_one_deadline_is_overridden_alone(self, load: Load) -> None:
        text = "[deadlines]\ncritical = 15\nhigh = 30\n[roles.mail]\ndeadlines.critical = 3"
        assert load(HOUSE + text).for_host(host(role="mail")).deadlines == Deadlines(
            {Severity.CRITICAL: timedelta(days=3), Severity.HIGH: timedelta(days=30)}
        )

    def test_tls_ports_are_overridden_as_a_whole(self, load: Load) -> None:
        assert load(HOUSE + "[roles.mail]\ntls_ports = [465]").for_host(host(role="mail")).tls_ports == {465}

    def test_how_a_score_is_made_is_the_same(self, load: Load) -> None:
        baseline = load(HOUSE + MAIL)
        held = baseline.for_host(host(role="mail"))
        assert (held.scoring, held.carry) == (baseline.scoring, baseline.carry)

    def test_what_a_host_is_held_to_is_put_together_once(self, load: Load) -> None:
        baseline = load(HOUSE + MAIL)
        assert baseline.for_host(host("a", "mail")) is baseline.for_host(host("b", "mail"))


class TestOrder:
    @pytest.mark.parametrize(
        ("said", "days"),
        [
            (("tiers.commune",), 1),
            (("tiers.commune", "levels.3"), 2),
            (("tiers.commune", "levels.3", "roles.mail"), 3),
            (("tiers.commune", "levels.3", "roles.mail", "hosts.web-1"), 4),
            (("tiers.commune", "hosts.web-1"), 4),
            (("hosts.web-1", "tiers.commune", "roles.mail", "levels.3"), 4),
            (("roles.mail", "levels.3"), 3),
        ],
    )
    def test_what_says_most_of_the_machine_goes_first_wherever_it_stands(
        self, load: Load, said: tuple[str, ...], days: int
    ) -> None:
        numbers = {"tiers.commune": 1, "levels.3": 2, "roles.mail": 3, "hosts.web-1": 4}
        text = "".join(f'[{t}]\nrules."tls.days" = {{ days = {numbers[t]}, early = 0 }}\n' for t in said)
        held = load(HOUSE + text).for_host(host(role="mail", level=3), "commune")
        assert limits_of(held, "tls.days") == DaysLimits(days=days, early=0)

    def test_what_only_one_says_stays(self, load: Load) -> None:
        text = '[levels.3]\nrules."tls.days".days = 10\n[roles.mail]\nrules."tls.days".early = 2'
        held = load(HOUSE + text).for_host(host(role="mail", level=3))
        assert limits_of(held, "tls.days") == DaysLimits(days=10, early=2)

    def test_a_childs_table_goes_before_its_parents_key_by_key(self, load: Load) -> None:
        house = HOUSE + '[roles.mail]\nrules."tls.days" = { days = 10, early = 3 }'
        held = load(house, child=child('[roles.mail]\nrules."tls.days".days = 12')).for_host(
            host(role="mail")
        )
        assert limits_of(held, "tls.days") == DaysLimits(days=12, early=3)

    def test_what_a_parent_says_of_a_role_goes_before_what_its_child_says_of_all(self, load: Load) -> None:
        held = load(HOUSE + MAIL, child=child('[rules."tls.days"]\ndays = 15')).for_host(host(role="mail"))
        assert limits_of(held, "tls.days") == DaysLimits(days=10)


# --- Profiles that are applied ------------------------------------------------------------------------


class TestApply:
    def test_what_the_profile_says_holds_for_the_hosts_meant(self, load: Load) -> None:
        baseline = load(
            layer=LAYER + '[rules."tls.days"]\ndays = 8', child=child('roles.mail.apply = ["layer"]')
        )
        assert limits_of(baseline.for_host(host(role="mail")), "tls.days") == DaysLimits(days=8)

    def test_it_holds_for_no_other(self, load: Load) -> None:
        baseline = load(
            layer=LAYER + '[rules."tls.days"]\ndays = 8', child=child('roles.mail.apply = ["layer"]')
        )
        assert limits_of(baseline.for_host(host()), "tls.days") == DaysLimits(days=20)

    def test_what_it_stands_upon_is_not_laid_again(self, load: Load) -> None:
        text = child('roles.mail.apply = ["layer"]', '[rules."tls.days"]', "early = 1", "days = 15")
        held = load(layer=LAYER + '[rules."port.one"]\nshared = 9', child=text).for_host(host(role="mail"))
        assert limits_of(held, "tls.days") == DaysLimits(days=15, early=1)

    def test_the_table_goes_before_what_it_applies(self, load: Load) -> None:
        text = child('[roles.mail]\napply = ["layer"]\nrules."tls.days".days = 9')
        held = load(layer=LAYER + '[rules."tls.days"]\ndays = 8\nearly = 2', child=text)
        assert limits_of(held.for_host(host(role="mail")), "tls.days") == DaysLimits(days=9, early=2)

    @pytest.mark.parametrize(("order", "days"), [(("layer", "other"), 9), (("other", "layer"), 8)])
    def test_the_last_that_is_applied_goes_first(self, load: Load, order: tuple[str, str], days: int) -> None:
        layer = LAYER + '[rules."tls.days"]\ndays = 8'
        other = layer.replace("layer", "other").replace("8", "9")
        text = child(f'roles.mail.apply = ["{order[0]}", "{order[1]}"]')
        held = load(layer=layer, other=other, child=text).for_host(host(role="mail"))
        assert limits_of(held, "tls.days") == DaysLimits(days=days)

    def test_a_childs_list_stands_in_place_of_its_parents(self, load: Load) -> None:
        layer = LAYER + '[rules."tls.days"]\ndays = 8'
        middle = child('roles.mail.apply = ["layer"]', name="middle")
        baseline = load(layer=layer, middle=middle, child=child("roles.mail.apply = []", extends="middle"))
        assert limits_of(baseline.for_host(host(role="mail")), "tls.days") == DaysLimits(days=20)

    def test_what_extends_such_a_profile_can_be_applied(self, load: Load) -> None:
        higher = child('[rules."tls.days"]', "early = 1", name="higher", extends="layer")
        baseline = load(
            layer=LAYER + '[rules."tls.days"]\ndays = 8',
            higher=higher,
            child=child('levels.4.apply = ["higher"]'),
        )
        assert limits_of(baseline.for_host(host(level=4)), "tls.days") == DaysLimits(days=8, early=1)

    def test_which_were_applied_is_told(self, load: Load) -> None:
        baseline = load(layer=LAYER, child=child('roles.mail.apply = ["layer"]'))
        assert baseline.overlays.parts["roles", "mail"].applied == ("layer",)

    def test_such_a_profile_stands_upon_another_where_it_is_used_by_itself(self, load: Load) -> None:
        baseline = load(layer=LAYER + '[rules."tls.days"]\nearly = 1')
        assert (baseline.name, limits_of(baseline, "tls.days")) == ("layer", DaysLimits(days=20, early=1))

    @pytest.mark.parametrize(("level", "days"), [(None, 12), (1, 12), (2, 12), (3, 11)])
    def test_a_level_only_adds_to_one_that_all_are_held_to(
        self, load: Load, level: int | None, days: int
    ) -> None:
        numbers = {"one": 13, "two": 12, "three": 11}
        layers = {
            name: child('[rules."tls.days"]', f"days = {n}", name=name, extends=parent)
            for (name, n), parent in zip(numbers.items(), ("", "one", "two"), strict=True)
        }
        layers["one"] = layers["one"].replace('extends = ""', 'upon = "house"')
        house = HOUSE + '[levels]\n1.apply = ["one"]\n2.apply = ["two"]\n3.apply = ["three"]'
        baseline = load(house, **layers, child=child(extends="two"))
        assert limits_of(baseline.for_host(host(level=level)), "tls.days") == DaysLimits(days=days)


# --- What else looks at a baseline --------------------------------------------------------------------


class TestWhole:
    def test_what_says_least_of_the_machine_is_named_first(self, load: Load) -> None:
        tables = [f"[{t}]\ndeadlines.low = 3\n" for t in ("hosts.a", "roles.b", "levels.1", "tiers.d")]
        kinds = [kind for kind, _name in load(HOUSE + "".join(tables)).overlays.parts]
        assert kinds == ["tiers", "levels", "roles", "hosts"]

    def test_a_scan_asks_the_ports_that_any_host_needs(self, load: Load) -> None:
        assert load(HOUSE + '[roles.mail]\nrules."port.one".ports = [25]').ports_to_ask() == {7, 9, 25}

    def test_the_domain_of_a_rule_that_counts_for_some_alone_is_known(self, load: Load) -> None:
        house = HOUSE.replace("days = 20", "enabled = false")
        baseline = load(house + '[roles.mail]\nrules."tls.days".enabled = true')
        assert baseline.domain_of()["tls.days"] == "tls"

    def test_a_narrower_look_is_narrower_for_all(self, load: Load) -> None:
        baseline = load(HOUSE + MAIL + 'rules."port.one".shared = 9')
        held = narrowed(baseline, ["ports"]).for_host(host(role="mail"))
        assert [r.check.id for r in held.rules] == ["port.one", "port.two"]

    def test_a_narrower_look_needs_no_port_of_the_domains_left_out(self, load: Load) -> None:
        baseline = load(HOUSE + '[roles.mail]\nrules."port.one".ports = [25]')
        assert narrowed(baseline, ["tls"]).ports_to_ask() == frozenset()


# --- The hash -----------------------------------------------------------------------------------------


class TestHash:
    @pytest.mark.parametrize(
        "lines",
        [
            'rules."tls.days".days = 10',
            'rules."tls.days".severity = "low"',
            'rules."tls.days".enabled = false',
            'rules."tls.days".cap = 3',
            "deadlines.low = 3",
            "domains.tls.weight = 3",
            "domains.tls.enabled = false",
            "tls_ports = [1]",
            'apply = ["layer"]',
        ],
    )
    def test_what_is_said_of_some_counts(self, load: Load, lines: str) -> None:
        layer = LAYER + '[rules."tls.days"]\ndays = 8'
        text = child(f"[roles.mail]\n{lines}")
        assert load(layer=layer, child=text).hash != load().hash

    def test_of_whom_it_is_said_counts(self, load: Load) -> None:
        assert load(HOUSE + MAIL).hash != load(HOUSE + MAIL.replace("roles.mail", "roles.portal")).hash

    def test_what_is_said_and_changes_nothing_does_not_count(self, load: Load) -> None:
        assert load(HOUSE + '[roles.mail]\nrules."tls.days".days = 20').hash == load().hash

    def test_where_it_is_written_does_not_count(self, load: Load) -> None:
        layer = LAYER + '[rules."tls.days"]\ndays = 10'
        applied = load(layer=layer, child=child('roles.mail.apply = ["layer"]'))
        assert applied.hash == load(HOUSE + MAIL).hash

    def test_the_order_of_tables_does_not_count(self, load: Load) -> None:
        level = "[levels.3]\ndeadlines.low = 9\n"
        assert load(HOUSE + MAIL + level).hash == load(HOUSE + level + MAIL).hash

    def test_what_one_host_is_held_to_has_a_hash_of_its_own(self, load: Load) -> None:
        baseline = load(HOUSE + MAIL)
        assert baseline.for_host(host(role="mail")).hash != baseline.hash


# --- What is refused, and where -----------------------------------------------------------------------


class TestMistakes:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ("roles = 3", "4: roles: 3 does not fit here; expected a table"),
            ("roles.mail = 3", "4: roles.mail: 3 does not fit here; expected a table"),
            ("[roels.mail]\napply = []", "4: roels: unknown key; did you mean 'roles'?"),
            ("[roles.mail]\naply = []", "5: roles.mail.aply: unknown key; did you mean 'apply'?"),
            (
                '[roles.mail]\napply = "layer"',
                '5: roles.mail.apply: "layer" does not fit here; expected an array, such as ["..."]',
            ),
            (
                "[roles.mail]\napply = [3]",
                "5: roles.mail.apply[0]: 3 does not fit here; expected a text in quotes",
            ),
            (
                '[roles.mail]\napply = ["hose"]',
                "5: roles.mail.apply[0]: there is no profile \"hose\"; did you mean 'house'?",
            ),
            (
                '[roles.mail]\napply = ["house"]',
                '5: roles.mail.apply[0]: "house" is a whole profile, which can\'t be applied to some hosts; one '
                "that can says upon = ... in place of extends",
            ),
            (
                "[levels.6]\ndeadlines.low = 3",
                '4: levels.6: "6" is not known here; expected one of "1", "2", "3", "4", "5"',
            ),
            (
                '[roles.mail.rules."tls.dyas"]\ndays = 3',
                '4: roles.mail.rules."tls.dyas": there is no check "tls.dyas"; did you mean \'tls.days\'?',
            ),
            (
                '[hosts.web-1.rules."tls.days"]\ndas = 3',
                "5: hosts.web-1.rules.\"tls.days\".das: unknown key; did you mean 'days'?",
            ),
            (
                '[tiers.commune.rules."tls.days"]\ndays = 91',
                '5: tiers.commune.rules."tls.days".days: 91 does not fit here; expected 90 or less',
            ),
            (
                '[roles.mail.rules."tls.days"]\nseverity = "hgih"',
                '5: roles.mail.rules."tls.days".severity: "hgih" is not known here; expected one of "critical", '
                '"high", "medium", "low", "info"; did you mean "high"?',
            ),
            (
                '[roles.mail]\nrules."tls.days" = 3',
                '5: roles.mail.rules."tls.days": 3 does not fit here; expected a table',
            ),
            (
                "[roles.mail]\nrules = 3",
                "5: roles.mail.rules: 3 does not fit here; expected a table",
            ),
            (
                "[roles.mail]\ndomains.tsl.weight = 3",
                "5: roles.mail.domains.tsl: there is no domain \"tsl\"; did you mean 'tls'?",
            ),
            (
                "[roles.mail]\ndomains.tls.weight = 0",
                "5: roles.mail.domains.tls.weight: 0 does not fit here; expected more than 0",
            ),
            (
                "[roles.mail]\ndomains.tls.rules = []",
                "5: roles.mail.domains.tls.rules: unknown key in this table; 'rules' belongs at the top of the file, "
                "above every table",
            ),
            (
                "[levels.1]\ndeadlines.critical = 0",
                "5: levels.1.deadlines.critical: 0 does not fit here; expected 1 or more",
            ),
            (
                "[levels.1]\ndeadlines.crtical = 3",
                "5: levels.1.deadlines.crtical: unknown key; did you mean 'critical'?",
            ),
            (
                "[hosts.web-1]\ntls_ports = [0]",
                "5: hosts.web-1.tls_ports[0]: 0 does not fit here; expected 1 or more",
            ),
            (
                '[hosts.web-1]\nrules."port.*".enabled = false\ndomains.tls.enabled = false',
                "4: hosts.web-1: no rule counts for these hosts",
            ),
            (
                "domains.tls.enabled = false\n[roles.mail]\ndomains.tls.enabled = true",
                "6: roles.mail.domains.tls.enabled: counts for no host; what is said of some can't bring it back",
            ),
            (
                'domains.tls.rules = ["tls.plain"]\n[roles.mail]\nrules."tls.days".days = 10',
                '6: roles.mail.rules."tls.days": counts in no domain; add it to the rules of one, such as '
                "[domains.tls]",
            ),
        ],
    )
    def test_a_mistake_is_named_with_line_and_key(
        self, mistakes: Complain, lines: str, expected: str
    ) -> None:
        assert mistakes(child=child(lines)) == [f"child.toml:{expected}"]

    @pytest.mark.parametrize("line", ["scoring.meets = 3", "carry_days = 3", "roles.mail.deadlines.low = 3"])
    def test_what_holds_for_all_cannot_be_applied_to_some(self, mistakes: Complain, line: str) -> None:
        said = mistakes(layer=LAYER + line, child=child('roles.mail.apply = ["layer"]'))
        assert said == [
            f"layer.toml:4: {line.partition('.')[0].partition(' ')[0]}: holds for all hosts, so it can't be set in a "
            "profile that is applied to some"
        ]

    def test_limits_that_do_not_go_together_for_one_host_are_named_where_the_last_is_said(
        self, mistakes: Complain
    ) -> None:
        text = '[levels.3]\nrules."tls.days".days = 10\n[roles.mail]\nrules."tls.days".early = 11'
        assert mistakes(child=child(text)) == [
            'child.toml:7: roles.mail.rules."tls.days": early is after days'
        ]

    def test_a_mistake_in_what_is_applied_is_named_in_its_file(self, mistakes: Complain) -> None:
        said = mistakes(
            layer=LAYER + '[rules."tls.days"]\ndays = 91', child=child('roles.mail.apply = ["layer"]')
        )
        assert said == ['layer.toml:5: rules."tls.days".days: 91 does not fit here; expected 90 or less']

    def test_an_unknown_key_in_what_is_applied_is_named_in_its_file(self, mistakes: Complain) -> None:
        said = mistakes(layer=LAYER + "tls_prots = [1]", child=child('roles.mail.apply = ["layer"]'))
        assert said == ["layer.toml:4: tls_prots: unknown key; did you mean 'tls_ports'?"]

    def test_a_cycle_in_what_is_applied_is_shown(self, mistakes: Complain) -> None:
        said = mistakes(
            a=child(name="a", extends="b"),
            b=child(name="b", extends="a"),
            child=child('roles.mail.apply = ["a"]'),
        )
        assert said == ["b.toml:2: extends: a profile can't extend itself: a > b > a"]

    def test_what_a_profile_stands_upon_cannot_stand_upon_it(self, mistakes: Complain) -> None:
        layer = LAYER.replace("house", "other")
        said = mistakes(other=child(name="other", extends="layer"), layer=layer)
        assert said == ["layer.toml:3: upon: a profile can't extend itself: other > layer > other"]

    def test_a_profile_extends_another_or_stands_upon_it(self, mistakes: Complain) -> None:
        said = mistakes(layer=LAYER + 'extends = "house"')
        assert said == [
            "layer.toml:3: upon: a profile extends another or stands upon it; keep one of the two"
        ]

    def test_an_unknown_profile_to_stand_upon_is_named_with_the_nearest(self, mistakes: Complain) -> None:
        said = mistakes(layer=LAYER.replace("house", "huose"))
        assert said == ["layer.toml:3: upon: there is no profile \"huose\"; did you mean 'house'?"]
