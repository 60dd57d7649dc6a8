"""Shares that real pools accepted, and mined ones, judged byte by byte."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from stratum_client.emulated_pool.jobs import IssuedJob, template_of
from stratum_client.emulated_pool.problems import Problem
from stratum_client.emulated_pool.profiles import ShareRules, VersionRule
from stratum_client.emulated_pool.shares import (
    Submission,
    Terms,
    header_of,
    judge,
    read_submission,
    rolled_version,
)
from tests.vectors.load import named, stratum

LOOSE = ShareRules(ntime_behind=None, ntime_ahead=None)


def job_of(vector: dict[str, Any], difficulty: float = 1.0) -> IssuedJob:
    return IssuedJob(
        template=template_of(vector["notify"]["params"]),
        extranonce1=bytes.fromhex(vector["extranonce1"]),
        extranonce2_size=vector["extranonce2_size"],
        difficulty=difficulty,
        clean=False,
        issued_at=0.0,
    )


def share_of(vector: dict[str, Any]) -> Submission:
    share = read_submission(vector["submit"]["params"])
    assert isinstance(share, Submission)
    return share


def rules_of(vector: dict[str, Any]) -> ShareRules:
    return replace(LOOSE, version_rule=VersionRule(vector["version_bits_mode"] or "replace"))


def mask_of(vector: dict[str, Any]) -> int | None:
    return int(vector["version_mask"], 16) if vector["version_mask"] else None


def shares(kind: str = "") -> list[dict[str, Any]]:
    return [vector for vector in stratum("shares") if vector["id"].startswith(kind)]


@pytest.mark.parametrize("vector", shares(), ids=named)
def test_the_header_is_rebuilt_byte_by_byte(vector: dict[str, Any]) -> None:
    header = header_of(
        share_of(vector), job_of(vector), mask=mask_of(vector), rules=rules_of(vector)
    )

    assert header.hex() == vector["expect"]["header"]


@pytest.mark.parametrize("vector", shares(), ids=named)
def test_the_verdict_is_the_real_one(vector: dict[str, Any]) -> None:
    difficulty = vector["pool_difficulty"] or vector["expect"]["share_difficulty"]
    terms = Terms(difficulty=difficulty, mask=mask_of(vector), wall=0.0)

    verdict = judge(share_of(vector), job_of(vector), terms, rules_of(vector))

    assert verdict.problem is None
    assert verdict.difficulty == pytest.approx(vector["expect"]["share_difficulty"], rel=1e-12)
    assert verdict.block is vector["expect"]["meets_network_target"]


@pytest.mark.parametrize("vector", shares("pp-") + shares("syn-"), ids=named)
def test_a_share_a_little_below_the_asked_difficulty_is_refused(vector: dict[str, Any]) -> None:
    difficulty = vector["expect"]["share_difficulty"] * 1.0001
    terms = Terms(difficulty=difficulty, mask=mask_of(vector), wall=0.0)

    verdict = judge(share_of(vector), job_of(vector), terms, rules_of(vector))

    assert verdict.problem is Problem.ABOVE_TARGET


@pytest.mark.parametrize("vector", shares("pp-") + shares("syn-"), ids=named)
def test_a_share_exactly_at_its_target_is_good_and_one_above_is_not(
    vector: dict[str, Any],
) -> None:
    value = int(vector["expect"]["hash_display"], 16)
    exact = Fraction(0xFFFF << 208, value)
    problems = [
        judge(
            share_of(vector),
            job_of(vector),
            Terms(difficulty=difficulty, mask=mask_of(vector), wall=0.0),
            rules_of(vector),
        ).problem
        for difficulty in (exact, exact + Fraction(1, 1 << 300))
    ]

    assert problems == [None, Problem.ABOVE_TARGET]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (VersionRule.REPLACE, 0x2000A000),
        (VersionRule.XOR, 0x2000C000),
        (VersionRule.OR, 0x2000E000),
    ],
)
def test_bits_that_the_job_has_set_part_the_rules(rule: VersionRule, expected: int) -> None:
    assert rolled_version(0x20006000, 0x0000A000, mask=0x1FFFE000, rule=rule) == expected


def test_one_submit_text_means_other_headers_under_other_rules() -> None:
    [vector] = shares("syn-vr-103")
    share, job, mask = share_of(vector), job_of(vector), mask_of(vector)

    headers = {
        rule: header_of(share, job, mask=mask, rules=replace(LOOSE, version_rule=rule))
        for rule in VersionRule
    }

    assert headers[VersionRule.XOR] == headers[VersionRule.OR] != headers[VersionRule.REPLACE]


@pytest.mark.parametrize("vector", stratum("version_roll_superset"), ids=named)
def test_a_rolled_version_is_found_under_each_rule(vector: dict[str, Any]) -> None:
    job, mask = int(vector["job_version"], 16), int(vector["mask"], 16)
    masked = int(vector["send_for_replace_or"], 16)
    changed = int(vector["send_for_xor_or"], 16)
    rolled = int(vector["rolled"], 16)

    assert rolled_version(job, masked, mask=mask, rule=VersionRule.REPLACE) == rolled
    assert rolled_version(job, masked, mask=mask, rule=VersionRule.OR) == rolled
    assert rolled_version(job, changed, mask=mask, rule=VersionRule.OR) == rolled
    assert rolled_version(job, changed, mask=mask, rule=VersionRule.XOR) == rolled


GOOD = ["user.worker", "875b4b7", "17000000", "685468d7", "7552034c", "00b44000"]


@pytest.mark.parametrize(
    ("at", "text", "problem"),
    [
        (2, "1700000", Problem.BAD_EXTRANONCE2),
        (2, "zz000000", Problem.BAD_EXTRANONCE2),
        (2, None, None),
        (3, "685468d", Problem.BAD_NTIME),
        (3, "0x5468d7", Problem.BAD_NTIME),
        (4, "7552034c0", Problem.BAD_NONCE),
        (4, " 552034c", Problem.BAD_NONCE),
        (4, 1968309068, Problem.BAD_NONCE),
        (5, "-0b44000", Problem.BAD_VERSION_BITS),
        (5, "", Problem.BAD_VERSION_BITS),
    ],
)
def test_a_parameter_that_is_not_hex_of_its_size_is_named(
    at: int, text: Any, problem: Problem | None
) -> None:
    params = [*GOOD[:at], text, *GOOD[at + 1 :]]

    share = read_submission(params)

    assert share is problem if problem else isinstance(share, Submission)


@pytest.mark.parametrize("count", [0, 1, 4, 7, 20])
def test_another_number_of_parameters_is_refused(count: int) -> None:
    assert read_submission(["00000000"] * count) is Problem.PARAMETER_COUNT


@pytest.mark.parametrize(
    ("behind", "problem"),
    [(0, None), (7000, None), (7001, Problem.NTIME_TOO_NEW), (-1, Problem.NTIME_TOO_OLD)],
)
def test_ntime_may_go_forward_a_little_and_never_back(behind: int, problem: Problem | None) -> None:
    [vector] = shares("syn-frac")
    job = job_of(vector)
    share = replace(share_of(vector), ntime=job.template.ntime + behind)
    terms = Terms(difficulty=2.0**-32, mask=None, wall=0.0)

    assert judge(share, job, terms, ShareRules()).problem is problem


@pytest.mark.parametrize(
    ("bits", "mask", "rules", "problem"),
    [
        (0x00002000, 0x1FFFE000, ShareRules(), None),
        (0x00000003, 0x1FFFE000, ShareRules(), Problem.VERSION_BITS_OUTSIDE_MASK),
        (0x00000003, 0x1FFFE000, ShareRules(bits_outside_mask="take"), None),
        (0x00002000, None, ShareRules(), Problem.VERSION_BITS_OUTSIDE_MASK),
        (0x00000000, None, ShareRules(), None),
        (0x00002000, None, ShareRules(bits_unasked="ignore"), None),
        (None, 0x1FFFE000, ShareRules(), None),
        (None, 0x1FFFE000, ShareRules(bits_missing="refuse"), Problem.VERSION_BITS_MISSING),
        (None, None, ShareRules(bits_missing="refuse"), None),
    ],
)
def test_version_bits_are_held_against_the_mask(
    bits: int | None, mask: int | None, rules: ShareRules, problem: Problem | None
) -> None:
    [vector] = shares("syn-frac")
    share = replace(share_of(vector), version_bits=bits)
    terms = Terms(difficulty=2.0**-32, mask=mask, wall=0.0)

    assert judge(share, job_of(vector), terms, rules).problem is problem
