from __future__ import annotations

import asyncio
import mmap
import time

from local.clock import Clock, VirtualTimers


def test_the_clock_is_wall_time_plus_what_was_advanced() -> None:
    clock = Clock()
    before = time.time()
    clock.advance(3600)
    assert before + 3600 <= clock.now() <= time.time() + 3600
    assert abs(clock.now_ms() / 1000 - clock.now()) < 1


def test_the_clock_never_goes_back() -> None:
    clock = Clock()
    clock.jump(-10)
    assert clock.now() >= time.time() - 0.1


def test_other_processes_see_the_offset_through_the_file() -> None:
    clock = Clock()
    clock.jump(5)
    assert memoryview(mmap.mmap(clock.fd, 8)).cast("q")[0] == 5_000_000_000


def test_timers_fire_in_the_order_of_their_times_when_the_clock_jumps() -> None:
    async def scenario() -> list[str]:
        clock, fired = Clock(), []
        timers = VirtualTimers(clock, asyncio.get_running_loop())
        timers.after(100, lambda: fired.append("second"))
        timers.after(50, lambda: fired.append("first"))
        timers.after(60, lambda: fired.append("never")).cancel()
        timers.after(10_000, lambda: fired.append("later"))
        clock.jump(200)
        timers.run()
        return fired

    assert asyncio.run(scenario()) == ["first", "second"]


def test_a_timer_that_sets_another_that_is_due_runs_it_as_well() -> None:
    async def scenario() -> list[str]:
        clock, fired = Clock(), []
        timers = VirtualTimers(clock, asyncio.get_running_loop())
        timers.after(1, lambda: timers.at(clock.now() - 1, lambda: fired.append("inner")) and None)
        clock.jump(2)
        timers.run()
        return fired

    assert asyncio.run(scenario()) == ["inner"]


def test_a_timer_fires_by_itself() -> None:
    async def scenario() -> bool:
        fired = asyncio.Event()
        VirtualTimers(Clock(), asyncio.get_running_loop()).after(0.01, fired.set)
        await asyncio.wait_for(fired.wait(), 5)
        return True

    assert asyncio.run(scenario())
