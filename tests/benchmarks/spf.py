"""What SPF costs: `python -m tests.benchmarks.spf` judges HELO and MAIL FROM of thousands of addresses.

It prints CPU time and asserts none. The records have the shape of Microsoft 365: one HELO name
for a region, a tenant's record that includes the provider's.
"""

import argparse
import time

from exporter.checks.addresses import Address
from exporter.checks.check import run_check
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import AuthenticationSettings, Target, authentication
from exporter.checks.result import Result
from exporter.checks.spf.compile import compile_spf
from tests.factories import World

HELO = HeloName.parse("na01-bn1-obe.outbound.protection.outlook.example")
DOMAIN = DomainName("tenant.example")
WORLD = World.parse(
    """
    na01-bn1-obe.outbound.protection.outlook.example TXT v=spf1 include:spf.protection.outlook.example -all
    tenant.example TXT v=spf1 include:spf.protection.outlook.example -all
    spf.protection.outlook.example TXT v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 ip4:52.100.0.0/15 ip4:52.102.0.0/16 \
ip4:52.103.0.0/17 ip4:104.47.0.0/17 ip6:2a01:111:f400::/48 ip6:2a01:111:f403::/49 ip6:2a01:111:f403:8000::/51 \
ip6:2a01:111:f403:c000::/51 ip6:2a01:111:f403:f000::/52 -all
    """.replace("\\\n", "")
)
FIRST = int.from_bytes(Address.parse("40.92.0.0").packed, "big")


def targets(count: int) -> list[Target]:
    """Addresses of the pool, all of which say the same name."""
    return [Target(Address((FIRST + 13 * number).to_bytes(4, "big")), (HELO,)) for number in range(count)]


def cpu_seconds(some: list[Target], wanted: AuthenticationSettings) -> float:
    """What judging all of them takes, the records at hand."""
    began = time.process_time()
    for target in some:
        findings, _ = run_check(authentication(target, wanted), WORLD)
        if any(finding.result is not Result.PASS for finding in findings):
            raise SystemExit(f"{target.address} does not pass: the benchmark is broken")
    return time.process_time() - began


def main() -> None:
    """Print the CPU time of both ways."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--addresses", type=int, default=10_000)
    count = arguments.parse_args().addresses
    some = targets(count)
    began = time.process_time()
    compiled = {domain: run_check(compile_spf(domain), WORLD)[0] for domain in (str(HELO), str(DOMAIN))}
    compiling = time.process_time() - began
    shared = cpu_seconds(some, AuthenticationSettings(mail_from=(DOMAIN,), compiled=compiled.get))
    alone = cpu_seconds(some, AuthenticationSettings(mail_from=(DOMAIN,)))
    print(f"{count} addresses, HELO and MAIL FROM, CPU seconds of one core:")
    print(f"  compiled once   {compiling + shared:8.3f}  ({compiling:.4f} of them to compile)")
    print(f"  each evaluated  {alone:8.3f}")


if __name__ == "__main__":
    main()
