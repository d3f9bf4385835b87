from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from taskyard.tasks.text import truncate

from functions.core.task import BASE32_ALPHABET, id_for_key, time_ordered_id, to_base32
from functions.store.keys import shard_of, task_key, tenant_and_task_id, time_sort_key

times = st.integers(0, 2**48 - 1)
randoms = st.integers(0, 2**80 - 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(times, randoms, times, randoms)
def test_ids_sort_as_their_times(one: int, a: int, other: int, b: int) -> None:
    assert (time_ordered_id(one, a) < time_ordered_id(other, b)) == ((one, a) < (other, b))


@given(times, randoms)
def test_ids_are_26_characters_fit_for_a_schedules_name(now: int, random: int) -> None:
    made = time_ordered_id(now, random)
    assert len(made) == 26
    assert set(made) <= set(BASE32_ALPHABET)


@given(times, st.integers(2**80, 2**200))
def test_more_randomness_than_fits_leaves_the_time_alone(now: int, random: int) -> None:
    assert time_ordered_id(now, random)[:9] == time_ordered_id(now, 0)[:9]


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_base32_keeps_order_and_difference(one: bytes, other: bytes) -> None:
    assert (to_base32(one) < to_base32(other)) == (one < other)
    assert (to_base32(one) == to_base32(other)) == (one == other)


@given(texts, texts, texts, texts)
def test_an_idempotency_key_is_its_tenants_own(tenant: str, name: str, other: str, another: str) -> None:
    assert (id_for_key(tenant, name) == id_for_key(other, another)) == ((tenant, name) == (other, another))


@given(st.text(min_size=1, max_size=30), times, randoms)
def test_tenant_and_id_come_back_from_the_key(tenant: str, now: int, random: int) -> None:
    task_id = time_ordered_id(now, random)
    assert tenant_and_task_id(task_key(tenant, task_id)["pk"]["S"]) == (tenant, task_id)


def test_shards_are_even() -> None:
    counted = [0] * 8
    for at in range(8000):
        counted[shard_of(time_ordered_id(1_770_000_000_000 + at, at), 8)] += 1
    assert max(counted) < 1150
    assert min(counted) > 850


@given(st.integers(0, 10**13 - 1), st.integers(0, 10**13 - 1))
def test_sort_keys_sort_by_time(one: int, other: int) -> None:
    assert (time_sort_key(one, "a") < time_sort_key(other, "a")) == (one < other)


@given(st.text(max_size=50) | st.just("\ud800" * 9), st.integers(1, 20))
def test_bounded_text_is_bounded_and_can_be_stored(text: str, limit: int) -> None:
    kept = truncate(text, limit)
    assert len(kept) <= limit
    kept.encode()
    if len(text) <= limit and "\ud800" not in text:
        assert kept == text
