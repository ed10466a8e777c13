"""The same check with other DNS libraries, in a process of its own; prints one JSON object.

Runs in the peers' environment, so it imports nothing of this project. A check is PTR, then A of its name, then the
verdict, so many at a time, each library driven in the way that its documentation shows.
"""

import argparse
import asyncio
import ipaddress
import json
import resource
import select
import time
from collections import Counter


def cpu_seconds():
    """Processor time of this process, user and system, all its threads included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def dnspython(addresses, port, in_flight):
    """dnspython's asynchronous resolver, a task for each check under way."""
    import dns.asyncresolver
    import dns.resolver
    import dns.reversename

    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    resolver.timeout, resolver.lifetime = 2, 10
    resolver.cache = None
    verdicts = Counter()

    async def check(address):
        try:
            answer = await resolver.resolve(dns.reversename.from_address(address), "PTR")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return "permerror"
        except dns.exception.DNSException:
            return "temperror"
        for record in answer:
            try:
                forward = await resolver.resolve(record.target, "A")
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                continue
            except dns.exception.DNSException:
                return "temperror"
            if any(found.address == address for found in forward):
                return "pass"
        return "fail"

    async def lane(waiting):
        for address in waiting:
            verdicts[await check(address)] += 1

    async def main():
        waiting = iter(addresses)
        await asyncio.gather(*[lane(waiting) for _ in range(in_flight)])

    asyncio.run(main())
    return verdicts


def pycares(addresses, port, in_flight):
    """pycares on one thread, its sockets watched by an epoll object, as aiodns has asyncio do it.

    Its own event thread is no alternative: a query from a callback and one from another thread lock each other out.
    """
    import pycares as ares

    poll = select.epoll()
    watched = set()
    verdicts = Counter()
    waiting = iter(addresses)
    open_checks = in_flight

    def watch(descriptor, readable, writable):
        wanted = (select.EPOLLIN if readable else 0) | (select.EPOLLOUT if writable else 0)
        if not wanted:
            watched.discard(descriptor)
            poll.unregister(descriptor)
        elif descriptor in watched:
            poll.modify(descriptor, wanted)
        else:
            watched.add(descriptor)
            poll.register(descriptor, wanted)

    channel = ares.Channel(
        servers=["127.0.0.1"],
        udp_port=port,
        tcp_port=port,
        timeout=2,
        tries=5,
        socket_receive_buffer_size=4 * 1024 * 1024,  # it has one socket for everything
        sock_state_cb=watch,
    )

    def start():
        nonlocal open_checks
        address = next(waiting, None)
        if address is None:
            open_checks -= 1
            return
        name = ipaddress.ip_address(address).reverse_pointer
        channel.query(name, ares.QUERY_TYPE_PTR, callback=lambda result, error: take_ptr(address, result, error))

    def end(verdict):
        verdicts[verdict] += 1
        start()

    def take_ptr(address, result, error):
        if error is not None:
            negative = error in (ares.errno.ARES_ENOTFOUND, ares.errno.ARES_ENODATA)
            end("permerror" if negative else "temperror")
            return
        (name,) = [record.data.dname for record in result.answer]
        channel.query(name, ares.QUERY_TYPE_A, callback=lambda result, error: take_a(address, result, error))

    def take_a(address, result, error):
        if error is not None:
            end("temperror")
        else:
            end("pass" if any(record.data.addr == address for record in result.answer) else "fail")

    for _ in range(in_flight):
        start()
    while open_checks:
        ready = poll.poll(max(0.0, channel.timeout()))
        for descriptor, events in ready:
            channel.process_fd(
                descriptor if events & ~select.EPOLLOUT else ares.ARES_SOCKET_BAD,
                descriptor if events & select.EPOLLOUT else ares.ARES_SOCKET_BAD,
            )
        if not ready:
            channel.process_fd(ares.ARES_SOCKET_BAD, ares.ARES_SOCKET_BAD)
    channel.close()
    return verdicts


def main():
    """Run one measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("client", choices=["dnspython", "pycares"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--in-flight", type=int, default=500)
    options = parser.parse_args()
    first = ipaddress.IPv4Address("40.92.0.0")
    addresses = [str(first + number) for number in range(options.count)]
    run = {"dnspython": dnspython, "pycares": pycares}[options.client]
    run(addresses[-500:], options.port, 100)  # imports, templates, first sockets
    cpu, wall = cpu_seconds(), time.perf_counter()
    verdicts = run(addresses, options.port, options.in_flight)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    print(json.dumps({"verdicts": verdicts, "cpu_seconds": cpu, "wall_seconds": wall}))


if __name__ == "__main__":
    main()
