"""Listening: a name such as localhost, some of whose addresses this machine may not have."""

import asyncio
import socket

import pytest
from aiohttp import web

from exporter.errors import CannotRunError
from exporter.web.connections import ConnectionLimits, Connections

FOREIGN = "192.0.2.1"


async def listening(monkeypatch, *addresses):
    """Listen on a name that resolves to these addresses; returns those that are bound."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]
    ask = asyncio.get_running_loop().getaddrinfo

    async def getaddrinfo(host, port, **options):
        return found if host == "both.example.org" else await ask(host, port, **options)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    connections = Connections(ConnectionLimits())
    try:
        await connections.listen([("both.example.org", 0)], web.Server(lambda request: None), None)
        return [host for host, _ in connections.addresses]
    finally:
        await connections.stop(0)


async def test_a_name_listens_on_the_addresses_that_exist(monkeypatch):
    """An address that the machine lacks is left out if there is another."""
    assert await listening(monkeypatch, FOREIGN, "127.0.0.1") == ["127.0.0.1"]
    assert await listening(monkeypatch, "127.0.0.1", "127.0.0.2") == ["127.0.0.1", "127.0.0.2"]


async def test_a_name_without_an_address_of_this_machine_is_refused(monkeypatch):
    """If none can be used, the message says what would be right."""
    with pytest.raises(CannotRunError, match="use an address of this machine, or none to listen on all of them"):
        await listening(monkeypatch, FOREIGN)
