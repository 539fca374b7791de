"""Token buckets: who pays, how long to wait, what is kept back."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.kalshi.backoff import Backoff
from markets.kalshi.clock_skew import SkewMeter
from markets.kalshi.errors import LocallyRateLimited, RateLimited
from markets.kalshi.schemas.account import ApiLimits, BucketLimit, EndpointCost, EndpointCosts
from markets.kalshi.token_buckets import (
    AUTO,
    BASIC,
    UNSCOPED,
    Costs,
    Kind,
    LocalLimiter,
    TokenBucket,
    buckets_of,
    limit_of,
)

from .bodies import present


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def limiter(time: Time) -> LocalLimiter:
    return LocalLimiter(BASIC, clock=time, sleep=time.sleep)


@pytest.mark.parametrize(
    ("kind", "shard", "names"),
    [
        ("read", UNSCOPED, ("read",)),
        ("read", 2, ("read",)),
        ("balance", UNSCOPED, ("balance",)),
        ("write", 0, ("write",)),
        ("write", 2, ("write:2",)),
        ("write", AUTO, ("write", "write:1", "write:2", "write:3")),
        ("write", -1, ("write", "write:1", "write:2", "write:3")),
    ],
)
def test_the_shard_of_a_single_order_decides_which_buckets_pay(
    kind: Kind, shard: int | None, names: tuple[str, ...]
) -> None:
    assert buckets_of(kind, shard) == names


def test_a_full_bucket_gives_its_capacity_at_once_and_then_the_refill(limiter: LocalLimiter, time: Time) -> None:
    for _ in range(10):
        limiter.acquire("write", 10, 0)
    assert time.slept == 0
    limiter.acquire("write", 10, 0)
    assert time.slept == pytest.approx(0.1, abs=0.01)


def test_shards_have_buckets_of_their_own_and_auto_routing_drains_them_all(limiter: LocalLimiter, time: Time) -> None:
    limiter.acquire("write", 100, 2)
    limiter.acquire("write", 100, 0)
    assert time.slept == 0
    assert [limiter.available("write", shard) for shard in (0, 1, 2)] == [0, 100, 0]
    limiter.acquire("write", 50, AUTO)
    assert time.slept == pytest.approx(0.5, abs=0.01)
    assert limiter.available("write", 1) == 50


def test_tokens_can_be_kept_back_for_an_unwind(limiter: LocalLimiter, time: Time) -> None:
    limiter.acquire("write", 60, 0)
    with pytest.raises(LocallyRateLimited):
        limiter.acquire("write", 10, 0, keep_back=40, timeout=0)
    limiter.acquire("write", 40, 0, timeout=0)
    assert time.slept == 0


def test_what_can_never_be_had_is_refused_at_once(limiter: LocalLimiter, time: Time) -> None:
    with pytest.raises(LocallyRateLimited, match="more than the write bucket holds"):
        limiter.acquire("write", 101, 0)
    with pytest.raises(RateLimited):
        limiter.acquire("write", 10, 0, keep_back=91)
    assert time.slept == 0


def test_waiting_ends_at_the_time_out_and_takes_nothing(limiter: LocalLimiter, time: Time) -> None:
    limiter.acquire("write", 100, 0)
    with pytest.raises(LocallyRateLimited):
        limiter.acquire("write", 10, 0, timeout=0.05)
    limiter.acquire("write", 10, 0, timeout=0.2)
    assert time.slept == pytest.approx(0.1, abs=0.01)


def test_the_balance_has_one_request_a_second(limiter: LocalLimiter, time: Time) -> None:
    limiter.acquire("balance", 10, 0)
    limiter.acquire("balance", 10, 0)
    assert time.slept == pytest.approx(1.0, abs=0.01)
    expert = ApiLimits(usage_tier="expert", read=BASIC.read, write=BASIC.write)
    assert limit_of("balance", expert).refill_rate == 50


def test_learnt_limits_take_effect_without_giving_spent_tokens_back(limiter: LocalLimiter, time: Time) -> None:
    limiter.acquire("write", 100, 0)
    limiter.update(ApiLimits(usage_tier="expert", read=BASIC.read, write=BucketLimit(600, 1800)))
    limiter.acquire("write", 60, 0)
    assert time.slept == pytest.approx(0.1, abs=0.01)


@given(
    st.integers(1, 500),
    st.integers(1, 500),
    st.lists(st.tuples(st.integers(1, 60), st.floats(0, 2)), min_size=1, max_size=40),
)
def test_no_window_ever_gives_more_than_capacity_and_refill(
    rate: int, capacity: int, asks: list[tuple[int, float]]
) -> None:
    time = Time()
    limits = ApiLimits(usage_tier="x", read=BASIC.read, write=BucketLimit(rate, capacity))
    limiter = LocalLimiter(limits, clock=time, sleep=time.sleep)
    start, given_out = time.now, 0
    for cost, pause in asks:
        time.now += pause
        if cost > capacity:
            continue
        limiter.acquire("write", cost, 0)
        given_out += cost
        assert given_out <= capacity + (time.now - start) * rate + 1e-3


def test_a_clock_that_runs_back_adds_nothing() -> None:
    bucket = TokenBucket(BucketLimit(10, 100), 50, 1000.0)
    bucket.refill(990.0)
    assert bucket.tokens == 50


def test_threads_share_one_balance() -> None:
    limiter = LocalLimiter(ApiLimits(usage_tier="x", read=BASIC.read, write=BucketLimit(1, 100)))
    won: list[int] = []

    def ask() -> None:
        for _ in range(20):
            try:
                limiter.acquire("write", 1, 0, timeout=0)
                won.append(1)
            except LocallyRateLimited:
                pass

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 100 <= len(won) <= 102


def test_costs_are_the_published_ones_until_the_account_reports_its_own() -> None:
    costs = Costs()
    assert costs.of("delete", "/portfolio/events/orders/{order_id}") == 2
    assert costs.of("DELETE", "/portfolio/events/orders/batched", items=7) == 14
    assert costs.of("POST", "/portfolio/events/orders/batched", items=7) == 70
    assert costs.of("GET", "/portfolio/orders/{order_id}") == 2
    assert costs.of("GET", "/markets") == 10
    reported = Costs.from_account(
        EndpointCosts(11, (EndpointCost("GET", "/trade-api/v2/portfolio/orders/:order_id", 1),))
    )
    assert reported.of("GET", "/portfolio/orders/{order_id}") == 1
    assert reported.of("DELETE", "/portfolio/events/orders/{order_id}") == 11


def test_backoff_doubles_with_jitter_up_to_its_cap_and_starts_over() -> None:
    backoff = Backoff(base=1, cap=8, seed=3)
    waits = [backoff.next() for _ in range(50)]
    assert all(step / 2 <= wait <= step for wait, step in zip(waits, [1, 2, 4, *[8] * 47], strict=True))
    assert len(set(waits)) > 45
    assert waits == [b.next() for b in [Backoff(base=1, cap=8, seed=3)] for _ in range(50)]
    backoff.reset()
    assert backoff.next() <= 1


@settings(max_examples=30)
@given(st.integers(-90_000, 90_000), st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 300)), min_size=30))
def test_the_true_difference_of_the_clocks_is_always_within_the_measured_bounds(
    skew: int, answers: list[tuple[int, int]]
) -> None:
    meter = SkewMeter()
    ours = 1_795_400_000_000
    for pause, trip in answers:
        ours += pause
        stamped = ours + trip // 2 + skew
        header = _http_date(stamped // 1000)
        meter.observe(header, ours, ours + trip)
        assert abs(present(meter.skew_ms) - skew) <= present(meter.uncertainty_ms) + 1
        ours += trip
    assert present(meter.uncertainty_ms) <= 650


def test_a_clock_that_was_set_is_measured_again() -> None:
    meter = SkewMeter()
    meter.observe(_http_date(1_795_400_000), 1_795_400_000_100, 1_795_400_000_200)
    meter.observe(_http_date(1_795_400_060), 1_795_400_000_300, 1_795_400_000_400)
    assert 59_000 < present(meter.skew_ms) < 61_000
    meter.observe("nonsense", 0, 0)
    meter.observe(None, 0, 0)
    assert 59_000 < present(meter.skew_ms) < 61_000


def _http_date(seconds: int) -> str:
    from email.utils import formatdate

    return formatdate(seconds, usegmt=True)
