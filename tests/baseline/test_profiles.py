"""Profiles: what they say, what they inherit, what is refused and where, and what the hash covers."""

import tomllib
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from secscan.baseline import Deadlines, available_profiles, load_baseline
from secscan.facts import INSIDE
from secscan.model import Severity
from secscan.registry import find_checks
from secscan.toml_source import ConfigurationError
from tests.baseline.house import CHECKS, HOUSE, Complain, DaysLimits, Load, PortLimits, child, limits_of

#: Checks that rest in the profiles of ours: they are for those who go by a guideline of others to the letter.
LISTS = {"tls.allowed-suites", "tls.allowed-groups", "tls.server-order"}

# --- What a profile says ------------------------------------------------------------------------------


class TestValues:
    def test_titles_are_by_language(self, load: Load) -> None:
        assert load().title("vi") == "Nhà"

    def test_domains_are_in_the_order_they_are_written(self, load: Load) -> None:
        assert list(load().domains) == ["tls", "ports"]

    def test_weights_are_exact(self, load: Load) -> None:
        assert load(HOUSE.replace("weight = 2", "weight = 0.1")).domains["tls"] == Fraction(1, 10)

    def test_a_family_brings_all_its_checks(self, load: Load) -> None:
        assert [r.check.id for r in load().rules if r.domain == "tls"] == ["tls.days", "tls.plain"]

    def test_who_names_a_check_goes_before_who_names_its_family(self, load: Load) -> None:
        web = '\n[domains.web]\nweight = 1\nrules = ["tls.days"]\n'
        domains = {r.check.id: r.domain for r in load(HOUSE + web).rules}
        assert (domains["tls.days"], domains["tls.plain"]) == ("web", "tls")

    def test_a_limit_is_set(self, load: Load) -> None:
        assert limits_of(load(), "tls.days") == DaysLimits(days=20)

    def test_a_limit_that_is_not_set_has_its_default(self, load: Load) -> None:
        assert limits_of(load(), "port.one") == PortLimits()

    def test_a_check_without_limits_has_none(self, load: Load) -> None:
        assert limits_of(load(), "tls.plain") is None

    def test_severity_is_the_checks_own(self, load: Load) -> None:
        assert {r.check.id: r.severity for r in load().rules}["tls.days"] is Severity.HIGH

    @pytest.mark.parametrize("severity", Severity)
    def test_severity_can_be_another(self, load: Load, severity: Severity) -> None:
        baseline = load(HOUSE.replace("days = 20", f'severity = "{severity.word}"'))
        assert {r.check.id: r.severity for r in baseline.rules}["tls.days"] is severity

    def test_a_rule_can_be_dropped(self, load: Load) -> None:
        baseline = load(HOUSE.replace("days = 20", "enabled = false"))
        assert "tls.days" not in [r.check.id for r in baseline.rules]

    def test_a_domain_without_rules_is_left_out(self, load: Load) -> None:
        baseline = load(HOUSE.replace("days = 20", 'enabled = false\n[rules."tls.plain"]\nenabled = false'))
        assert list(baseline.domains) == ["ports"]

    def test_carry_is_in_days(self, load: Load) -> None:
        assert load().carry == timedelta(days=14)

    def test_tls_ports_are_a_set(self, load: Load) -> None:
        assert load().tls_ports == {443, 8443}

    def test_rule_weights_are_by_severity(self, load: Load) -> None:
        assert load().scoring.weights == {
            Severity.CRITICAL: 10,
            Severity.HIGH: Fraction(15, 2),
            Severity.MEDIUM: 5,
            Severity.LOW: Fraction(5, 2),
            Severity.INFO: 0,
        }

    def test_caps_are_those_that_are_given(self, load: Load) -> None:
        assert load().scoring.caps == {Severity.CRITICAL: 39, Severity.HIGH: 69}

    def test_grades_are_best_first_however_written(self, load: Load) -> None:
        baseline = load(HOUSE.replace("A = 90, B = 80, C = 70, D = 40, F = 0", "F = 0, B = 80, A = 90"))
        assert baseline.scoring.grades == (("A", 90), ("B", 80), ("F", 0))

    def test_percentages_become_shares(self, load: Load) -> None:
        assert (load().scoring.mean_share, load().scoring.enough_coverage) == (
            Fraction(7, 10),
            Fraction(7, 10),
        )

    def test_a_file_can_be_named_by_its_path(self, load: Load, tmp_path: Path) -> None:
        load(HOUSE, child=child())
        assert load_baseline(str(tmp_path / "child.toml"), CHECKS).name == "child"


class TestPortsToAsk:
    def test_they_are_what_rules_on_port_scans_list(self, load: Load) -> None:
        assert load().ports_to_ask() == {7, 9}

    def test_they_follow_the_profile(self, load: Load) -> None:
        assert load(HOUSE + '[rules."port.one"]\nports = [23]').ports_to_ask() == {7, 9, 23}

    def test_a_dropped_rule_asks_nothing(self, load: Load) -> None:
        assert load(HOUSE + '[rules."port.*"]\nenabled = false').ports_to_ask() == frozenset()

    def test_no_rule_here_asks_udp(self, load: Load) -> None:
        assert load().ports_to_ask("udp") == frozenset()


# --- What a profile inherits --------------------------------------------------------------------------


class TestExtends:
    def test_what_is_not_said_is_the_parents(self, load: Load) -> None:
        assert limits_of(load(child=child()), "tls.days") == DaysLimits(days=20)

    def test_a_table_is_overridden_key_by_key(self, load: Load) -> None:
        baseline = load(child=child('[rules."tls.days"]', "early = 3"))
        assert limits_of(baseline, "tls.days") == DaysLimits(days=20, early=3)

    def test_an_array_is_overridden_as_a_whole(self, load: Load) -> None:
        assert load(child=child("tls_ports = [1]")).tls_ports == {1}

    def test_a_number_of_the_score_is_overridden_alone(self, load: Load) -> None:
        scoring = load(child=child("scoring.weights.low = 1")).scoring
        assert (scoring.weights[Severity.LOW], scoring.weights[Severity.HIGH]) == (1, Fraction(15, 2))

    def test_name_and_titles_are_not_inherited(self, load: Load) -> None:
        baseline = load(child=child())
        assert (baseline.name, baseline.titles) == ("child", {"en": "Child"})

    def test_a_domain_of_the_parent_can_be_dropped(self, load: Load) -> None:
        assert list(load(child=child("[domains.tls]", "enabled = false")).domains) == ["ports"]

    def test_the_rules_of_a_dropped_domain_can_count_elsewhere(self, load: Load) -> None:
        text = child("[domains.tls]", "enabled = false", "[domains.web]", "weight = 1", 'rules = ["tls.*"]')
        assert list(load(child=text).domains) == ["ports", "web"]

    def test_a_rule_that_the_parent_dropped_can_count_again(self, load: Load) -> None:
        house = HOUSE.replace("days = 20", "enabled = false")
        baseline = load(house, child=child('[rules."tls.days"]', "enabled = true"))
        assert "tls.days" in [r.check.id for r in baseline.rules]

    def test_a_parent_may_set_limits_of_rules_that_do_not_count_in_the_child(self, load: Load) -> None:
        baseline = load(child=child('domains.tls.rules = ["tls.plain"]'))
        assert [r.check.id for r in baseline.rules if r.domain == "tls"] == ["tls.plain"]

    def test_limits_may_be_set_for_rules_of_a_domain_that_does_not_count(self, load: Load) -> None:
        baseline = load(HOUSE.replace("weight = 2", "weight = 2\nenabled = false"))
        assert list(baseline.domains) == ["ports"]

    def test_grandparents_count_too(self, load: Load) -> None:
        baseline = load(child=child(extends="middle"), middle=child("carry_days = 7", name="middle"))
        assert (baseline.carry, limits_of(baseline, "tls.days")) == (timedelta(days=7), DaysLimits(days=20))

    def test_limits_that_are_wrong_only_together_are_judged_together(self, load: Load) -> None:
        baseline = load(child=child('[rules."tls.days"]', "early = 25", "days = 40"))
        assert limits_of(baseline, "tls.days") == DaysLimits(days=40, early=25)

    def test_a_profile_can_extend_a_built_in_one(self, tmp_path: Path) -> None:
        (tmp_path / "own.toml").write_text(child(name="own", extends="network"))
        assert "port.database" in [
            r.check.id for r in load_baseline("own", find_checks(), folder=tmp_path).rules
        ]


class TestFamilies:
    def test_a_family_sets_what_all_its_rules_share(self, load: Load) -> None:
        baseline = load(HOUSE + '[rules."port.*"]\nshared = 9')
        assert limits_of(baseline, "port.one") == limits_of(baseline, "port.two") == PortLimits(shared=9)

    def test_a_rule_that_lacks_the_limit_is_left_alone(self, load: Load) -> None:
        assert limits_of(load(HOUSE + '[rules."tls.*"]\nearly = 1'), "tls.plain") is None

    def test_one_rule_goes_before_its_family_wherever_it_stands(self, load: Load) -> None:
        baseline = load(HOUSE + '[rules."port.one"]\nshared = 1\n[rules."port.*"]\nshared = 9')
        assert limits_of(baseline, "port.one") == PortLimits(shared=1)

    def test_a_childs_family_goes_before_a_parents_rule(self, load: Load) -> None:
        house = HOUSE + '[rules."port.one"]\nshared = 1'
        baseline = load(house, child=child('[rules."port.*"]', "shared = 9"))
        assert limits_of(baseline, "port.one") == PortLimits(shared=9)

    def test_a_familys_severity_is_that_of_all_its_rules(self, load: Load) -> None:
        baseline = load(HOUSE + '[rules."port.*"]\nseverity = "critical"')
        assert {r.severity for r in baseline.rules if r.domain == "ports"} == {Severity.CRITICAL}


class TestCaps:
    def test_a_rule_has_none_of_its_own(self, load: Load) -> None:
        assert {rule.cap for rule in load().rules} == {None}

    @pytest.mark.parametrize("cap", [0, 20, 100])
    def test_a_rule_can_be_given_one(self, load: Load, cap: int) -> None:
        baseline = load(HOUSE + f'[rules."tls.plain"]\ncap = {cap}')
        assert [rule.check.id for rule in baseline.rules if rule.cap == cap] == ["tls.plain"]

    def test_what_is_known_to_be_exploited_and_overdue_has_one(self) -> None:
        [rule] = [rule for rule in load_baseline("baseline", find_checks()).rules if rule.cap is not None]
        assert (rule.check.id, rule.cap) == ("patch.known-exploited", 20)


DEADLINES = "[deadlines]\nknown_exploited = 7\ncritical = 15\nmedium = 90\n"


class TestDeadlines:
    @pytest.mark.parametrize(
        ("severity", "expected"),
        [
            (Severity.CRITICAL, timedelta(days=15)),
            (Severity.HIGH, None),
            (Severity.MEDIUM, timedelta(days=90)),
            (Severity.INFO, None),
        ],
    )
    def test_each_severity_has_its_own_or_none(
        self, load: Load, severity: Severity, expected: timedelta | None
    ) -> None:
        assert load(HOUSE + DEADLINES).time_to_fix("tls.plain", severity) == expected

    def test_none_need_be_given(self, load: Load) -> None:
        assert load().deadlines == Deadlines()

    def test_a_profile_overrides_one_alone(self, load: Load) -> None:
        baseline = load(HOUSE + DEADLINES, child=child("deadlines.critical = 3"))
        assert baseline.deadlines.by_severity == {
            Severity.CRITICAL: timedelta(days=3),
            Severity.MEDIUM: timedelta(days=90),
        }

    @pytest.mark.parametrize(
        ("rule", "severity", "days"),
        [
            ("tls.days", Severity.MEDIUM, 7),
            ("tls.days", Severity.HIGH, 7),
            ("tls.days", Severity.LOW, None),
            ("tls.plain", Severity.MEDIUM, 90),
        ],
    )
    def test_what_is_known_to_be_exploited_has_its_own_at_the_rules_full_severity(
        self, load: Load, rule: str, severity: Severity, days: int | None
    ) -> None:
        text = HOUSE.replace("days = 20", 'days = 20\nseverity = "medium"\nknown_exploited = true')
        expected = timedelta(days=days) if days else None
        assert load(text + DEADLINES).time_to_fix(rule, severity) == expected

    def test_where_none_is_given_for_it_that_of_its_severity_holds(self, load: Load) -> None:
        text = HOUSE.replace("days = 20", "known_exploited = true") + "[deadlines]\nhigh = 30"
        assert load(text).time_to_fix("tls.days", Severity.HIGH) == timedelta(days=30)

    @pytest.mark.parametrize("name", ["network", "baseline"])
    def test_the_built_in_ones_are_those_of_the_design(self, name: str) -> None:
        deadlines = load_baseline(name, find_checks()).deadlines
        assert deadlines == Deadlines(
            by_severity={
                Severity.CRITICAL: timedelta(days=15),
                Severity.HIGH: timedelta(days=30),
                Severity.MEDIUM: timedelta(days=90),
                Severity.LOW: timedelta(days=180),
            },
            known_exploited=timedelta(days=7),
        )

    def test_what_is_known_to_be_exploited_is_due_in_a_week(self) -> None:
        baseline = load_baseline("baseline", find_checks())
        assert baseline.time_to_fix("patch.known-exploited", Severity.CRITICAL) == timedelta(days=7)


# --- What is refused, and where -----------------------------------------------------------------------


class TestMistakes:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ("carry_dys = 3", "4: carry_dys: unknown key; did you mean 'carry_days'?"),
            (
                '[rules."tls.plain"]\ncap = 101',
                '5: rules."tls.plain".cap: 101 does not fit here; expected 100 or less',
            ),
            ("carry_days = -1", "4: carry_days: -1 does not fit here; expected 0 or more"),
            ('carry_days = "3"', '4: carry_days: "3" does not fit here; expected a whole number'),
            ("tls_ports = [1, 65536]", "4: tls_ports[1]: 65536 does not fit here; expected 65535 or less"),
            ("titles.vi = 3", "4: titles.vi: 3 does not fit here; expected a text in quotes"),
            ("rules = 3", "4: rules: 3 does not fit here; expected a table"),
            ("domains.tls.weight = 0", "4: domains.tls.weight: 0 does not fit here; expected more than 0"),
            (
                "domains.tls.weight = true",
                "4: domains.tls.weight: true does not fit here; expected a number",
            ),
            (
                "domains.tls.weight = nan",
                "4: domains.tls.weight: nan does not fit here; expected a number",
            ),
            (
                "scoring.weights.low = -0.5",
                "4: scoring.weights.low: -0.5 does not fit here; expected 0 or more",
            ),
            ("scoring.weights.hihg = 1", "4: scoring.weights.hihg: unknown key; did you mean 'high'?"),
            ("scoring.meets = 101", "4: scoring.meets: 101 does not fit here; expected 100 or less"),
            (
                "scoring.worst_divisor = 0",
                "4: scoring.worst_divisor: 0 does not fit here; expected 1 or more",
            ),
            ("deadlines.high = 0", "4: deadlines.high: 0 does not fit here; expected 1 or more"),
            ("deadlines.low = 3651", "4: deadlines.low: 3651 does not fit here; expected 3650 or less"),
            ("deadlines.hihg = 3", "4: deadlines.hihg: unknown key; did you mean 'high'?"),
            (
                "deadlines.medium = 1.5",
                "4: deadlines.medium: 1.5 does not fit here; expected a whole number",
            ),
            ("scoring.grades.F = 1", "4: scoring.grades: no grade begins at 0; every score must have one"),
            ("scoring.grades.E = 40", "4: scoring.grades: two grades begin at the same score"),
            (
                'domains.tls.rules = ["tls.plain", "tls.dys"]',
                "4: domains.tls.rules[1]: there is no check \"tls.dys\"; did you mean 'tls.days'?",
            ),
            (
                'domains.tls.rules = ["tsl.*"]',
                "4: domains.tls.rules[0]: there is no check \"tsl.*\"; did you mean 'tls.*'?",
            ),
            (
                'domains.tls.rules = ["quite-different"]',
                '4: domains.tls.rules[0]: there is no check "quite-different"; see: secscan checks list',
            ),
            (
                'domains.tls.rules = ["tls.days"]\n[domains.web]\nweight = 1\nrules = ["tls.days"]',
                "7: domains.web.rules[0]: tls.days counts in the domain 'tls' already",
            ),
            (
                '[rules."tls.dyas"]',
                '4: rules."tls.dyas": there is no check "tls.dyas"; did you mean \'tls.days\'?',
            ),
            ('[rules."tls.days"]\ndas = 3', "5: rules.\"tls.days\".das: unknown key; did you mean 'days'?"),
            (
                '[rules."tls.days"]\nsevrity = "low"',
                "5: rules.\"tls.days\".sevrity: unknown key; did you mean 'severity'?",
            ),
            (
                '[rules."tls.plain"]\nquite_different = 3',
                '5: rules."tls.plain".quite_different: unknown key; the keys known here are cap, enabled, '
                "known_exploited, severity",
            ),
            (
                '[rules."tls.days"]\ndays = 91',
                '5: rules."tls.days".days: 91 does not fit here; expected 90 or less',
            ),
            (
                '[rules."tls.days"]\nseverity = "hgih"',
                '5: rules."tls.days".severity: "hgih" is not known here; expected one of "critical", "high", '
                '"medium", "low", "info"; did you mean "high"?',
            ),
            (
                '[rules."tls.days"]\nenabled = "no"',
                '5: rules."tls.days".enabled: "no" does not fit here; expected true or false',
            ),
            (
                '[rules."tls.*"]\ndays = 91',
                '5: rules."tls.*".days: 91 does not fit here; expected 90 or less',
            ),
            (
                '[rules."port.*"]\nshred = 9',
                "5: rules.\"port.*\".shred: unknown key; did you mean 'shared'?",
            ),
            ('[rules]\n"tls.days" = 3', '5: rules."tls.days": 3 does not fit here; expected a table'),
            (
                'domains.tls.rules = ["tls.plain"]\n[rules."tls.days"]\ndays = 30',
                '5: rules."tls.days": counts in no domain; add it to the rules of one, such as [domains.tls]',
            ),
        ],
    )
    def test_a_mistake_is_named_with_line_and_key(
        self, mistakes: Complain, lines: str, expected: str
    ) -> None:
        assert mistakes(child=child(lines)) == [f"child.toml:{expected}"]

    def test_limits_that_do_not_go_together_are_named_at_their_rule(self, mistakes: Complain) -> None:
        said = mistakes(child=child('[rules."tls.days"]', "early = 21"))
        assert said == ['child.toml:4: rules."tls.days": early is after days']

    def test_a_mistake_of_the_parents_is_named_in_its_file(self, mistakes: Complain) -> None:
        said = mistakes(HOUSE.replace("days = 20", "days = 91"), child=child())
        assert said == ['house.toml:13: rules."tls.days".days: 91 does not fit here; expected 90 or less']

    def test_every_mistake_of_every_file_is_named(self, mistakes: Complain) -> None:
        house = HOUSE.replace("days = 20", "das = 20").replace("weight = 2", "weight = 0")
        said = mistakes(
            house, child=child("carry_days = -1", '[rules."tls.nothing"]', '[rules."port.one"]', "x = 1")
        )
        assert [line.partition(" ")[0] for line in said] == [
            "child.toml:4:",
            "child.toml:5:",
            "child.toml:7:",
            "house.toml:7:",
            "house.toml:13:",
        ]

    @pytest.mark.parametrize(
        ("line", "key"),
        [
            ("carry_days = 14", "carry_days"),
            ("meets = 80", "scoring.meets"),
            ('titles = { en = "House", vi = "Nhà" }', "titles"),
            ("weight = 2", "domains.tls.weight"),
        ],
    )
    def test_what_must_be_given_somewhere_is_missed(self, mistakes: Complain, line: str, key: str) -> None:
        assert [m.split(": ", 1)[1] for m in mistakes(HOUSE.replace(line, ""))] == [
            f"{key}: is missing; it must be given"
        ]

    def test_an_english_title_is_needed(self, mistakes: Complain) -> None:
        said = mistakes(HOUSE.replace('en = "House", ', ""))
        assert said == ["house.toml:3: titles.en: is missing; other languages fall back on it"]

    def test_a_profile_without_any_rule_is_refused(self, mistakes: Complain) -> None:
        said = mistakes(
            child=child('[rules."tls.*"]', "enabled = false", '[rules."port.*"]', "enabled = false")
        )
        assert said == ["house.toml:6: domains: no rule counts in any domain"]

    def test_the_name_is_the_files(self, mistakes: Complain) -> None:
        said = mistakes(child=child(name="chlid"))
        assert said == ['child.toml:1: name: "chlid" is not the name of the file, "child"']

    def test_a_name_is_a_slug(self, mistakes: Complain) -> None:
        said = mistakes(**{"Our own": child(name="Our own")})
        assert said == ["Our own.toml: name the file with lower-case letters, digits and hyphens"]

    def test_an_unknown_parent_is_named_with_the_nearest(self, mistakes: Complain) -> None:
        said = mistakes(child=child(extends="huose"))
        assert said == ["child.toml:2: extends: there is no profile \"huose\"; did you mean 'house'?"]

    def test_a_parent_that_is_no_name_is_refused(self, mistakes: Complain) -> None:
        said = mistakes(child=child().replace('extends = "house"', "extends = 3"))
        assert said == [
            "child.toml:2: extends: 3 does not fit here; expected the name of a profile, in quotes"
        ]

    def test_a_profile_cannot_extend_itself(self, mistakes: Complain) -> None:
        said = mistakes(child=child(extends="child"))
        assert said == ["child.toml:2: extends: a profile can't extend itself: child > child"]

    def test_a_cycle_is_shown(self, mistakes: Complain) -> None:
        said = mistakes(
            a=child(name="a", extends="b"), b=child(name="b", extends="c"), c=child(name="c", extends="b")
        )
        assert said == ["c.toml:2: extends: a profile can't extend itself: b > c > b"]

    def test_an_unknown_profile_is_named_with_the_nearest(self) -> None:
        with pytest.raises(
            ConfigurationError, match="there is no profile \"netwrok\"; did you mean 'network'"
        ):
            load_baseline("netwrok", CHECKS)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"none\.toml: there is no such file"):
            load_baseline(str(tmp_path / "none.toml"), CHECKS)

    def test_what_is_not_toml_is_refused(self, mistakes: Complain) -> None:
        assert mistakes("name = ")[0].startswith("house.toml:1: is not TOML")

    @pytest.mark.parametrize(
        "use",
        [
            lambda folder: load_baseline("network", CHECKS, folder=folder),
            lambda folder: load_baseline(str(folder / "network.toml"), CHECKS),
            available_profiles,
        ],
        ids=["name", "path", "listing"],
    )
    def test_a_built_in_name_cannot_be_taken(self, tmp_path: Path, use: Callable[[Path], object]) -> None:
        (tmp_path / "network.toml").write_text(child(name="network"))
        with pytest.raises(ConfigurationError, match=r"network\.toml: a built-in profile has this name"):
            use(tmp_path)


# --- The hash -----------------------------------------------------------------------------------------


class TestHash:
    def test_comments_and_spaces_do_not_count(self, load: Load) -> None:
        assert load(HOUSE).hash == load("# A comment.\n" + HOUSE.replace(" = ", "   =  ")).hash

    def test_the_order_of_keys_does_not_count(self, load: Load) -> None:
        head, *tables = HOUSE.split("\n[")
        assert load(HOUSE).hash == load("\n[".join([head, *reversed(tables)])).hash

    def test_the_order_within_a_set_does_not_count(self, load: Load) -> None:
        assert load(HOUSE).hash == load(HOUSE.replace("[443, 8443]", "[8443, 443]")).hash

    def test_a_default_that_is_written_out_does_not_count(self, load: Load) -> None:
        assert load(HOUSE).hash == load(HOUSE.replace("days = 20", "days = 20\nearly = 7")).hash

    def test_a_profile_that_changes_nothing_has_its_parents_hash(self, load: Load) -> None:
        assert load(child=child()).hash == load().hash

    def test_a_number_written_otherwise_is_the_same(self, load: Load) -> None:
        assert load(HOUSE).hash == load(HOUSE.replace("meets = 80", "meets = 80.0")).hash

    @pytest.mark.parametrize(
        "lines",
        [
            "carry_days = 15",
            "tls_ports = [443]",
            "domains.tls.weight = 3",
            "domains.tls.enabled = false",
            'domains.tls.rules = ["tls.plain"]',
            'domains.tls.rules = ["tls.days"]\ndomains.ports.rules = ["port.*", "tls.plain"]',
            '[rules."tls.days"]\ndays = 21',
            '[rules."tls.days"]\nports = [1]',
            '[rules."tls.days"]\nseverity = "low"',
            '[rules."tls.days"]\ncap = 20',
            '[rules."tls.plain"]\nenabled = false',
            '[domains.tls]\nenabled = false\n[domains.web]\nweight = 2\nrules = ["tls.*"]',
            "scoring.weights.low = 2",
            "scoring.caps.high = 68",
            "scoring.caps.medium = 99",
            "scoring.grades.A = 91",
            "scoring.meets = 81",
            "scoring.mean_share_percent = 69.5",
            "scoring.worst_divisor = 11",
            "scoring.worst_most = 11",
            "scoring.enough_coverage_percent = 71",
            "deadlines.high = 31",
            "deadlines.known_exploited = 3",
            '[rules."tls.plain"]\nknown_exploited = true',
        ],
    )
    def test_whatever_can_change_a_verdict_or_a_score_counts(self, load: Load, lines: str) -> None:
        assert load(child=child(lines)).hash != load().hash


# --- The built-in profiles ----------------------------------------------------------------------------


class TestBuiltIn:
    def test_they_are_there(self) -> None:
        assert {"baseline", "network"} <= set(available_profiles())

    def test_an_operators_own_are_listed_beside_them(self, tmp_path: Path) -> None:
        (tmp_path / "own.toml").write_text(child(name="own"))
        assert available_profiles(tmp_path).keys() - available_profiles().keys() == {"own"}

    def test_a_folder_that_is_not_there_has_none(self, tmp_path: Path) -> None:
        assert available_profiles(tmp_path / "none") == available_profiles()

    @pytest.mark.parametrize("name", ["baseline", "network"])
    def test_they_load(self, name: str) -> None:
        assert load_baseline(name, find_checks()).name == name

    def test_every_check_counts_in_the_baseline(self) -> None:
        checks = find_checks()
        assert {rule.check.id for rule in load_baseline("baseline", checks).rules} == set(checks) - LISTS

    def test_every_check_that_needs_no_login_counts_in_the_network(self) -> None:
        checks = find_checks()
        inside = {id for id, check in checks.items() if {kind.kind for kind in check.kinds} & set(INSIDE)}
        outside = checks.keys() - inside
        assert {rule.check.id for rule in load_baseline("network", checks).rules} == outside - LISTS

    def test_what_rests_there_counts_in_a_guideline_of_others(self) -> None:
        rules = load_baseline("mozilla-old", find_checks()).rules
        assert {rule.check.id for rule in rules} >= LISTS

    @pytest.mark.parametrize(
        ("name", "domains"),
        [
            ("network", ["tls", "certificates", "ports"]),
            ("baseline", ["tls", "certificates", "ports", "patches", "backups"]),
        ],
    )
    def test_they_judge_in_their_domains(self, name: str, domains: list[str]) -> None:
        assert list(load_baseline(name, find_checks()).domains) == domains

    def test_the_score_is_made_as_the_design_says(self) -> None:
        scoring = load_baseline("baseline", find_checks()).scoring
        assert (scoring.meets, scoring.mean_share, scoring.worst_divisor, scoring.worst_most) == (
            80,
            Fraction(7, 10),
            10,
            10,
        )

    def test_every_limit_is_written_out(self) -> None:
        written: dict[str, dict[str, object]] = {}
        for profile in ("network", "baseline"):
            text = available_profiles()[profile].read_text(encoding="utf-8")
            for key, limits in tomllib.loads(text)["rules"].items():
                written.setdefault(key, {}).update(limits)
        missing = [
            f"{check.id}.{limit}"
            for check in find_checks().values()
            if check.id not in LISTS
            for limit in (check.limits.model_fields if check.limits else ())
            if limit not in {**written.get(f"{check.family}.*", {}), **written.get(check.id, {})}
        ]
        assert missing == []

    def test_a_checks_default_is_what_the_network_profile_says(self) -> None:
        rules = load_baseline("network", find_checks()).rules
        assert [r.check.id for r in rules if r.check.limits and r.limits != r.check.limits()] == []

    def test_every_port_that_a_rule_needs_is_known(self) -> None:
        assert {23, 445, 3389, 5432, 6379, 27017} <= load_baseline("network", find_checks()).ports_to_ask()
