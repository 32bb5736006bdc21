"""The queue in front of the policy: who is waited for, and who is refused at once."""

import asyncio

import numpy as np
import pytest

from qwen_vla_core.embodiment import EmbodimentCodec, load_embodiment
from qwen_vla_remote.engine import BusyError, Client, Engine, Served
from qwen_vla_remote.messages import Request
from qwen_vla_remote.metrics import Metrics
from robots import WIDOWX
from scripted_policy import BatchingPolicy, ScriptedPolicy, scene

ROBOT = load_embodiment(WIDOWX)


def engine_of(policy):
    served = Served(policy=policy, codec=EmbodimentCodec(ROBOT))
    metrics = Metrics()
    return Engine({ROBOT.name: served}, metrics), metrics


def request(deadline_s=30.0):
    return Request(
        robot=ROBOT.name,
        observation=scene(ROBOT),
        prefix=None,
        deadline_s=deadline_s,
        normalised=True,
        request_id=None,
    )


async def ask_on(engine, client, times, pause_s=0.0):
    """Ask again as soon as there is an answer, or after a pause."""
    for _ in range(times):
        await engine.ask(request(), client)
        await asyncio.sleep(pause_s)


def test_when_robots_ask_again_at_once_expect_one_pass_for_all_of_them():
    policy = BatchingPolicy(ROBOT, delay_s=0.1)

    async def run():
        engine, _ = engine_of(policy)
        await asyncio.gather(*(ask_on(engine, Client(), 6) for _ in range(4)))
        engine.close()

    asyncio.run(run())
    # The first alone and the others behind it; left to themselves they would go on like that.
    assert policy.batches[:2] == [1, 3] and 4 in policy.batches


def test_when_a_robot_takes_its_time_expect_nobody_to_wait_for_it():
    policy = BatchingPolicy(ROBOT, delay_s=0.1)

    async def run():
        engine, metrics = engine_of(policy)
        slow = asyncio.ensure_future(ask_on(engine, Client(), 2, pause_s=0.4))
        await asyncio.sleep(0.02)
        await ask_on(engine, Client(), 6)
        await slow
        engine.close()
        return metrics

    waited = asyncio.run(run()).queue_age_s.lines("")
    short = next(int(line.split()[1]) for line in waited if '"0.05"' in line)
    assert short >= 8 - 3  # up to three behind a pass of the other's; none for somebody to come


def test_when_those_in_front_take_too_long_expect_refusal_at_once_and_answers_to_the_others():
    policy = ScriptedPolicy(ROBOT, delay_s=0.2)

    async def run():
        engine, metrics = engine_of(policy)
        await engine.ask(request(), Client())  # now it is known how long a pass takes
        waiting = [asyncio.ensure_future(engine.ask(request(2.0), Client())) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="busy: .* longer than its deadline of 0.3 s"):
            await engine.ask(request(0.3), Client())
        answers = await asyncio.gather(*waiting)
        engine.close()
        return answers, metrics

    answers, metrics = asyncio.run(run())
    assert len(answers) == 3 and all(np.isfinite(answer).all() for answer in answers)
    assert metrics.busy_refusals == 1 and metrics.missed_deadlines == 0
    assert len(policy.batches) == 4


def test_when_nobody_is_in_front_expect_a_slow_policy_to_be_tried_all_the_same():
    policy = ScriptedPolicy(ROBOT, delay_s=0.3)

    async def run():
        engine, _ = engine_of(policy)
        await engine.ask(request(), Client())
        policy.delay_s = 0.0  # it was slow once
        await engine.ask(request(0.2), Client())
        engine.close()

    asyncio.run(run())
    assert policy.batches == [1, 1]
