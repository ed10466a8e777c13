"""Predictions are held against the real servers: what is predicted is what they reply, in every scenario."""

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from exporter.checks.check import run_check
from exporter.checks.receivers import Receiver, ReceiverVerdict, receivers
from tests.integration.receivers.mail_servers import SERVERS
from tests.integration.receivers.smtp_client import ACCEPTED
from tests.integration.servers.tools import HOW_TO_UNPACK, missing, require
from tests.unit.checks.receivers.scenarios import SCENARIOS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
ENTER = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
SECONDS = 1200


async def _run(name: str) -> dict[str, dict[str, list[str]]]:
    """Run every scenario against a server, in namespaces of their own."""
    if SERVERS[name].find() is None:
        missing(f"{name} is not there: {HOW_TO_UNPACK}")
    for tool in ("unshare", "mount", "ip"):
        require(tool)
    if os.geteuid() != 0:
        missing("only root can make namespaces")
    process = await asyncio.create_subprocess_exec(
        *ENTER,
        *(sys.executable, "-m", "tests.integration.receivers.inside", name),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode(errors="replace")
    return json.loads(output)["replies"]


def _promised(verdict: ReceiverVerdict, connections: int) -> Counter[str]:
    """How often each code is to come, when every PTR name is first as often as the others."""
    spared = round(verdict.share * connections)
    return Counter({ACCEPTED: spared, str(verdict.code): connections - spared}) + Counter()


@pytest.mark.parametrize("name", SERVERS)
async def test_every_prediction_is_what_the_server_replies(name):
    """In every scenario, each policy's listener gives the predicted codes, as often as the predicted share has it."""
    replies = await _run(name)

    wrong = []
    for scenario in SCENARIOS:
        listeners = tuple(map(Receiver, replies[scenario.name]))
        verdicts, _ = run_check(receivers(scenario.address, scenario.helo, listeners), scenario.world)
        for verdict in verdicts:
            helo = replies[scenario.name][verdict.receiver]
            promised = _promised(verdict, len(helo))
            if Counter(reply[:3] for reply in helo) != promised:
                wrong.append(f"{scenario.name}: {verdict.receiver} was to say {dict(promised)}, and said {helo}")

    assert set(replies) == {scenario.name for scenario in SCENARIOS}
    assert not wrong, "\n".join(wrong)
