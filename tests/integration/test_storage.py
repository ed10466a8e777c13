"""State that outlives the process: real processes, real signals, a real file, a real full disk."""

import random
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.keeping import configuration, process, rows
from tests.integration.servers.process import wait_until

pytestmark = pytest.mark.integration

ROOT = [". SOA ns. host. 1 3600 900 604800 1", ". NS ns."]
HOSTS = range(1, 201)
RECORDS = [
    *ROOT,
    *[f"{host}.2.0.192.in-addr.arpa. PTR mail{host}.example.org." for host in HOSTS],
    *[f"mail{host}.example.org. A 192.0.2.{host}" for host in HOSTS],
]
ADDRESSES = [{"ip": f"192.0.2.{host}", "helo": f"mail{host}.example.org"} for host in HOSTS]
STORAGE_OK = "maildns_storage_ok"
MATCH = "maildns_fcrdns_match"
SAMPLED = "maildns_last_sample_timestamp_seconds"


@pytest.fixture
async def world():
    """A DNS in which every address is right, until somebody changes it."""
    async with DemoServer(World(RECORDS)) as server:
        yield server
