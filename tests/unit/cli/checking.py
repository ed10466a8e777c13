"""Runs `check` as a user does, against the demo world; and without a network, to test its output."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from exporter.checks.addresses import Address
from exporter.checks.check import run_check
from exporter.checks.examination import examine
from exporter.checks.helo import HeloName
from exporter.cli.examination import CheckedAddress
from exporter.cli.main import cli
from exporter.cli.subjects import AddressJob, AddressRequest, address_job
from exporter.config.load import parse
from exporter.demo.server import DemoServer
from exporter.demo.world import FAULTS, Fault, World, demo_configuration, demo_world
from tests.fakes import FakeClock
from tests.unit.demo.judging import found_in

CONFIGURATION = parse(demo_configuration(53), "demo")
FOUND = found_in(demo_world(speed=0), CONFIGURATION)


@dataclass(frozen=True)
class Finished:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str


@dataclass
class Demo:
    """The demo world on a port, and a configuration for it."""

    world: World
    server: DemoServer
    file: Path

    async def check(self, *arguments: str) -> Finished:
        """Run `check` in the pools of the demo world."""
        return await run("--config.file", str(self.file), "check", *arguments)

    async def check_ad_hoc(self, *arguments: str) -> Finished:
        """Run `check` without a configuration."""
        return await run("check", "--resolver", self.server.address, *arguments)


@asynccontextmanager
async def demo(folder: Path, at: float = 0.0, *, silence: Fault = Fault.SILENT) -> AsyncIterator[Demo]:
    """Serve the demo world at that age in seconds; its silent servers have the fault *silence*."""
    clock = FakeClock()
    world = demo_world(clock=clock)
    clock.seconds = at
    for name, fault, *_ in FAULTS:
        if fault is Fault.SILENT:
            world.set_fault(name, silence)
    async with DemoServer(world) as server:
        file = folder / "demo.yml"
        file.write_text(demo_configuration(server.port))
        yield Demo(world, server, file)


async def run(*arguments: str) -> Finished:
    """Run the command line in a thread, so that the world can answer it."""
    done = await asyncio.to_thread(CliRunner().invoke, cli, list(arguments))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Finished(done.exit_code, done.stdout, done.stderr)


def job(ip: str, *helos: str, mail_from: str | None = None) -> AddressJob:
    """The job for these arguments, with the demo's pools configured."""
    return address_job(
        AddressRequest(Address.parse(ip), tuple(map(HeloName.parse, helos)), mail_from), CONFIGURATION, FOUND
    )


def checked_address(ip: str, *helos: str, mail_from: str | None = None, world: World | None = None) -> CheckedAddress:
    """The result of `check` without a network: answers have neither server nor time."""
    one = job(ip, *helos, mail_from=mail_from)
    check = examine(one.target, suffix=one.suffix, mail_from=one.mail_from)
    found, evidence = run_check(check, (world or demo_world(speed=0)).answer)
    return CheckedAddress(one, found, evidence)
