"""The run of random kills, in short; `python -m tests.crash` is the long one."""

from pathlib import Path

from tests.crash.storm import Figures, Plan, Storm


async def storm(folder: Path, plan: Plan) -> Figures:
    figures = await Storm(plan, folder).run()
    assert figures.whole, figures
    assert (figures.killed, figures.accepted >= plan.messages) == (plan.kills, True)
    return figures


async def test_few_kills_under_traffic_lose_and_repeat_nothing(tmp_path: Path) -> None:
    await storm(tmp_path, Plan(kills=8, messages=200, devices=3, seed=7, seconds=120))
