"""The pools the embedded pool can play.

Source: our recordings of ckpool (2017 and 2026) and public-pool (2025) on regtest; for what they
do not show, the pools' sources: ctubio/ckpool and koga73/ckpool src/stratifier.c,
benjamin-wilson/public-pool src/models, OCEAN-xyz/datum_gateway src/datum_stratum.c,
btccom/btcpool-ABANDONED src/bitcoin; slushpool/stratumprotocol (BIP 310). "nicehash",
"braiins" and "miningcore" rest on single captures and issue reports: their quirks are
real, the rest is plain.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from stratum_client.emulated_pool.profiles import (
    BlockJob,
    Handshake,
    JobIdForm,
    Manners,
    Profile,
    ShareRules,
    Step,
    VersionRule,
)
from stratum_client.emulated_pool.refusals import (
    BTCCOM_REFUSALS,
    CKPOOL_2017_REFUSALS,
    CKPOOL_REFUSALS,
    OCEAN_REFUSALS,
    PLAIN_REFUSALS,
    PUBLIC_POOL_REFUSALS,
)
from stratum_client.emulated_pool.vardiff import VardiffSettings

_NO_EXTENSIONS: Mapping[str, bool] = MappingProxyType({})


PLAIN = Profile(
    name="plain",
    about="keeps to the letter of Stratum v1 and BIP 310",
    handshake=Handshake(),
    shares=ShareRules(),
    manners=Manners(
        refusals=PLAIN_REFUSALS,
        canned={"mining.ping": {"result": "pong", "error": None}},
        bad_line="refuse",
        notify_after_difficulty="plain",
    ),
)

CKPOOL = Profile(
    name="ckpool",
    about="ckpool of 2026: notify before the answer to authorize, two jobs on a block",
    handshake=Handshake(
        subscribe_order=(Step.REPLY, Step.DIFFICULTY),
        authorize_order=(Step.NOTIFY, Step.DIFFICULTY, Step.REPLY),
        grants_full_mask=True,
        extensions=_NO_EXTENSIONS,
        unknown_extensions="omitted",
        subscriptions=("mining.notify",),
        second_subscribe="silence",
        several_workers=False,
        early_authorize="refuse",
        early_submit="close",
        resume="authorized",
    ),
    shares=ShareRules(
        version_rule=VersionRule.OR,
        difficulty="lower",
        extranonce2_size="resize",
        clean_retires_jobs=False,
    ),
    manners=Manners(
        refusals=CKPOOL_REFUSALS,
        canned={
            "mining.extranonce.subscribe": {
                "result": None,
                "error": [20, "Not supported.", None],
            },
            "mining.get_transactions": {"error": "Invalid job_id"},
        },
        unknown_method="silence",
        unknown_before_subscribe="close",
        subscribes_extranonce=False,
        suggestions="quiet",
        block_jobs=(BlockJob(clean=True), BlockJob(clean=False, delay=0.005)),
        job_ids=JobIdForm.START_AND_COUNTER,
        extranonce1_order="little",
        ping_after=20.0,
        escalation=(60.0, 120.0, 180.0),
        reply_keys=("result", "error", "reject-reason", "id"),
        notification_keys=("params", "id", "method"),
    ),
    difficulty=42,
    vardiff=VardiffSettings(seconds_per_share=3.33, interval=240.0, burst=72, lowest=0.001),
    max_line=1024,
)

CKPOOL_2017 = Profile(
    name="ckpool-2017",
    about="ckpool of 2017: hangs up on configure, reject-reason beside a null error",
    handshake=replace(
        CKPOOL.handshake,
        subscribe_order=(Step.REPLY, Step.DIFFICULTY, Step.NOTIFY),
        authorize_order=(Step.REPLY,),
        closes_on_configure=True,
        early_authorize="defer",
    ),
    shares=CKPOOL.shares,
    manners=replace(
        CKPOOL.manners,
        refusals=CKPOOL_2017_REFUSALS,
        canned={},
        whole_suggestions_only=True,
        ping_after=None,
    ),
    difficulty=42,
    vardiff=CKPOOL.vardiff,
    max_line=1024,
)

PUBLIC_POOL = Profile(
    name="public-pool",
    about="public-pool of 2025: XOR versions, dirty blocks, silence for what it does not know",
    handshake=Handshake(
        first_notify_clean=False,
        grants_full_mask=True,
        extensions=_NO_EXTENSIONS,
        unknown_extensions="omitted",
        subscriptions=("mining.notify",),
        session_id="extranonce1",
        early_submit="close",
        resume="never",
        agent_difficulties={"cpuminer": 0.1},
    ),
    shares=ShareRules(
        version_rule=VersionRule.XOR,
        bits_outside_mask="take",
        bits_unasked="take",
        difficulty="immediate",
        extranonce2_size="take",
        wrong_size_spoils_job=True,
        bad_hex_is_low=True,
        checks_worker=False,
        ntime_behind=None,
        ntime_ahead=None,
        duplicates_by="text",
        block_retires_jobs=False,
        job_lifetime=300.0,
    ),
    manners=Manners(
        refusals=PUBLIC_POOL_REFUSALS,
        unknown_method="silence",
        subscribes_extranonce=False,
        suggestions="first",
        notify_after_difficulty="clean",
        clean_block_every=2,
        unpadded_hex=True,
    ),
    difficulty=16_384,
    extranonce2_size=4,
    vardiff=VardiffSettings(
        seconds_per_share=10.0, interval=60.0, burst=1_000, lowest=0.00001, rounded=True
    ),
    work_every=60.0,
    idle_timeout=300.0,
)

OCEAN = Profile(
    name="ocean",
    about="OCEAN's datum_gateway: a job before authorize, an empty job on a block, strict ids",
    handshake=Handshake(
        subscribe_order=(Step.REPLY, Step.DIFFICULTY, Step.NOTIFY),
        authorize_order=(Step.REPLY,),
        extensions=MappingProxyType({"minimum-difficulty": False}),
        unknown_extensions="omitted",
        breaks_without_version_rolling=True,
        subscriptions=("mining.notify", "mining.set_difficulty"),
        session_id="numbered",
        second_subscribe="silence",
        resume="never",
        agent_difficulties={"NiceHash/": 524_288},
    ),
    shares=ShareRules(
        version_rule=VersionRule.OR,
        bits_missing="refuse",
        bits_unasked="ignore",
        ntime_behind=3600,
        ntime_ahead=7200,
        ntime_by_clock=True,
        clean_retires_jobs=False,
        job_lifetime=150.0,
        high_hash_text="H-not-zero",
    ),
    manners=Manners(
        refusals=OCEAN_REFUSALS,
        strict_requests=True,
        subscribes_extranonce=False,
        suggestions="refuse",
        notify_after_difficulty="clean",
        block_jobs=(
            BlockJob(clean=True, empty=True, prefix="N"),
            BlockJob(clean=False, delay=0.5),
        ),
        job_ids=JobIdForm.SIXTEEN,
        quick_difficulty_prefix="Q",
        reply_keys=("error", "id", "result"),
    ),
    difficulty=16_384,
    vardiff=VardiffSettings(seconds_per_share=7.5, interval=60.0, lowest=16_384),
)

NICEHASH = Profile(
    name="nicehash",
    about="NiceHash: 5 and 3 bytes of extranonce, set_extranonce whether asked for or not",
    handshake=replace(PLAIN.handshake, session_id="extranonce1", resume="never"),
    shares=PLAIN.shares,
    manners=replace(PLAIN.manners, pushes_extranonce=True, job_ids=JobIdForm.SIXTEEN),
    difficulty=524_288,
    extranonce1_size=5,
    extranonce2_size=3,
    extranonce_every=60.0,
)

BRAIINS = Profile(
    name="braiins",
    about="Braiins: author of BIP 310, several workers on a connection, sessions resumed",
    handshake=PLAIN.handshake,
    shares=PLAIN.shares,
    manners=PLAIN.manners,
    difficulty=16_384,
    vardiff=VardiffSettings(seconds_per_share=4.0, interval=60.0),
)

BTCCOM = Profile(
    name="btccom",
    about="BTC.com's family: job ids 0 to 255, XOR versions, error numbers up to 37",
    handshake=Handshake(
        mask_after_configure=True,
        extensions=MappingProxyType({"minimum-difficulty": True}),
        whole_minimum_only=True,
        early_submit="reconnect",
        resume="never",
    ),
    shares=ShareRules(version_rule=VersionRule.XOR, ntime_ahead=600),
    manners=Manners(
        refusals=BTCCOM_REFUSALS,
        suggestions="set",
        job_ids=JobIdForm.DECIMAL_BYTE,
        subscribes_extranonce=False,
    ),
    difficulty=16_384,
    vardiff=VardiffSettings(seconds_per_share=10.0, interval=60.0, rounded=True),
)

MININGCORE = Profile(
    name="miningcore",
    about="miningcore and yiimp: difficulty before the subscribe reply, duplicates without bits",
    handshake=Handshake(
        subscribe_order=(Step.DIFFICULTY, Step.REPLY),
        authorize_order=(Step.REPLY, Step.DIFFICULTY, Step.NOTIFY),
        subscriptions=("mining.set_difficulty", "mining.notify"),
        resume="never",
        password_difficulty=True,
    ),
    shares=ShareRules(duplicates_see_version=False),
    manners=Manners(
        refusals=PLAIN_REFUSALS,
        suggestions="ignore",
        subscribes_extranonce=False,
    ),
    difficulty=0.05,
    extranonce2_size=4,
    vardiff=VardiffSettings(seconds_per_share=15.0, interval=90.0),
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            PLAIN,
            CKPOOL,
            CKPOOL_2017,
            PUBLIC_POOL,
            OCEAN,
            NICEHASH,
            BRAIINS,
            BTCCOM,
            MININGCORE,
        )
    }
)
"""Every profile by name."""
