"""The run of random kills, in short and in long."""

from pathlib import Path

import pytest

from tests.crash.storm import Figures, Plan, Storm


async def storm(folder: Path, plan: Plan) -> Figures:
    figures = await Storm(plan, folder).run()
    assert figures.whole, figures
    assert (figures.killed, figures.accepted >= plan.messages) == (plan.kills, True)
    return figures


async def test_few_kills_under_traffic_lose_and_repeat_nothing(tmp_path: Path) -> None:
    await storm(tmp_path, Plan(kills=8, messages=200, devices=3, seed=7, seconds=120))


@pytest.mark.slow
async def test_many_kills_under_traffic_lose_and_repeat_nothing(tmp_path: Path) -> None:
    figures = await storm(tmp_path, Plan(kills=60, messages=5_000, devices=6, seed=11, seconds=900))
    assert all(figures.kills.values())
    assert figures.adds
    assert figures.removes
