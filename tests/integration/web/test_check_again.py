"""*Check again now*: a fixed address, HELO name and domain are sampled at once, for our own pages and scripts only."""

import aiohttp
import pytest
import yaml

from exporter.config.load import parse
from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.serving import serving
from tests.integration.test_blind import eventually

pytestmark = pytest.mark.integration

BROKEN = ["mail.example.org. A 192.0.2.10", "example.org. NS ns.example.org."]
PTR = "10.2.0.192.in-addr.arpa. PTR mail.example.org."
PATHS = ["/addresses/192.0.2.10", "/pools/test/helo-names/mail.example.org", "/domains/example.org"]


async def test_a_fixed_address_is_well_after_a_click_and_others_cannot_click():
    """The interval is an hour. Requests of other sites, for strangers, and too many of them are refused."""
    world = World(BROKEN)
    async with DemoServer(world) as server:
        resolver = {"name": "only", "servers": [server.address], "canary": False}
        pool = {"name": "test", "interval": "1h", "addresses": [{"ip": "192.0.2.10", "helo": "mail.example.org"}]}
        text = yaml.safe_dump({"resolvers": [resolver], "pools": [pool], "domains": [{"name": "example.org"}]})
        async with serving(lambda: parse(text, "check.yml")) as exporter, aiohttp.ClientSession() as client:
            base = f"http://{exporter.address}"

            async def post(path, **headers):
                async with client.post(base + path, headers=headers, allow_redirects=False) as response:
                    return response.status, response.headers.get("Location")

            await eventually(exporter, "/api/v1/addresses?health=failing", lambda _, body: "192.0.2.10" in body)
            world.add([PTR])
            evil = {"Origin": "http://evil.example"}
            assert [(await post(f"/api/v1{path}/check", **evil))[0] for path in PATHS] == [403] * 3
            assert (await post("/addresses/192.0.2.10/check", **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
            assert (await post("/addresses/192.0.2.10/check", Origin="null"))[0] == 403
            assert (await post("/api/v1/addresses/192.0.2.99/check"))[0] == 404

            assert await post("/addresses/192.0.2.10/check", Origin=base) == (303, "/addresses/192.0.2.10")
            assert "192.0.2.10" in str((await exporter.ask("/api/v1/addresses?health=healthy"))[1])
            assert [(await post(f"/api/v1{path}/check"))[0] for path in PATHS] == [204] * 3
            assert (await post("/pools/test/helo-names/mail.example.org/check"))[1] == "/pools/test"
            codes = [(await post("/api/v1/addresses/192.0.2.99/check"))[0] for _ in range(20)]
            assert 429 in codes
