"""Basic authentication."""

import asyncio
import base64
import time

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.access import BusyError, Passwords, read_basic


def header(name: str, password: str | bytes) -> str:
    """An `Authorization` header."""
    octets = password if isinstance(password, bytes) else password.encode()
    return f"Basic {base64.b64encode(name.encode() + b':' + octets).decode()}"


def hashed(password: str, cost: int = 4) -> bytes:
    """A hash as htpasswd makes it."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost))


LONG = "0123456789" * 7 + "ab"


@pytest.fixture(scope="module")
def users():
    return {"alice": hashed("right"), "bob": hashed("p:ss wörd"), "carol": hashed(LONG)}


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        pytest.param(header("alice", "right"), True, id="right"),
        pytest.param(header("alice", "right").replace("Basic", "bASIC"), True, id="scheme-in-any-case"),
        pytest.param(header("bob", "p:ss wörd"), True, id="colon-space-umlaut"),
        pytest.param(header("carol", LONG), True, id="72-octets"),
        pytest.param(header("carol", LONG + "c"), False, id="73-octets-are-not-cut-off"),
        pytest.param(header("carol", LONG * 40), False, id="far-too-long"),
        pytest.param(header("alice", b"right\0"), False, id="NUL"),
        pytest.param(header("alice", ""), False, id="empty"),
        pytest.param(header("alice", "wrong"), False, id="wrong"),
        pytest.param(header("bob", "right"), False, id="somebody-elses"),
        pytest.param(header("mallory", "right"), False, id="unknown-with-a-right-password"),
        pytest.param(header("", "right"), False, id="nobody"),
        pytest.param("Bearer right", False, id="other-scheme"),
        pytest.param("Basic", False, id="no-credentials"),
        pytest.param("Basic ====", False, id="not-base64"),
        pytest.param("Basic YWxpY2U=", False, id="no-colon"),
        pytest.param("Basic //86eA==", False, id="name-not-utf8"),
        pytest.param("", False, id="nothing"),
    ],
)
async def test_who_comes_in(users, authorization, expected):
    """A right name with its right password; asked twice, the answer stays."""
    passwords = Passwords(users)

    assert await passwords.are_right(authorization, "192.0.2.1") is expected
    assert await passwords.are_right(authorization, "192.0.2.1") is expected
    passwords.close()


async def test_every_unknown_name_is_refused_whatever_hash_stands_in_for_it(users):
    """No unknown name comes in with any of the right passwords."""
    passwords = Passwords(users)
    for name in [f"nobody{number}" for number in range(20)]:
        for password in ("right", "p:ss wörd", LONG):
            assert not await passwords.are_right(header(name, password), "192.0.2.1")
    passwords.close()


@pytest.mark.parametrize("name", ["alice", "mallory"])
async def test_a_repeated_answer_comes_from_memory_for_known_and_unknown_names_alike(users, name, monkeypatch):
    """One bcrypt check for the first request, none for the second."""
    checks = []
    check = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda *pair: checks.append(pair) or check(*pair))
    passwords = Passwords(users)

    for _ in range(2):
        await passwords.are_right(header(name, "guess"), "192.0.2.1")

    assert len(checks) == 1
    passwords.close()


async def test_wrong_passwords_leave_room_for_other_clients(users):
    """A flood from one address is refused; a right password from another one comes in."""
    passwords = Passwords(users)
    flood = [passwords.are_right(header("alice", f"guess {number}"), "192.0.2.66") for number in range(100)]

    *refused, is_right = await asyncio.gather(
        *flood, passwords.are_right(header("alice", "right"), "192.0.2.1"), return_exceptions=True
    )

    assert is_right is True
    assert sum(isinstance(one, BusyError) for one in refused) > 50
    passwords.close()


async def test_wrong_passwords_do_not_displace_a_right_one(users, monkeypatch):
    """After hundreds of guesses it still costs no check."""
    passwords = Passwords(users)
    assert await passwords.are_right(header("alice", "right"), "192.0.2.1")
    for number in range(300):
        await passwords.are_right(header("alice", f"guess {number}"), "192.0.2.66")
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_: pytest.fail("it was checked again"))

    assert await passwords.are_right(header("alice", "right"), "192.0.2.1")
    passwords.close()


@pytest.mark.slow
@pytest.mark.parametrize(("cost", "times"), [(4, 400), (10, 16), (12, 6)])
async def test_a_known_and_an_unknown_name_cost_the_same(cost, times):
    """Processor time of wrong guesses, known and unknown names by turns: their ratio is 0.9 to 1.1."""
    passwords = Passwords({"alice": hashed("right", cost)})
    spent = {"alice": [], "mallory": []}
    for number in range(times):
        for name, taken in spent.items():
            began = time.process_time()
            await passwords.are_right(header(name, f"guess {number}"), "192.0.2.1")
            taken.append(time.process_time() - began)
    passwords.close()

    known, unknown = (sorted(taken)[: times // 2 + 1] for taken in spent.values())
    assert 0.9 < sum(known) / sum(unknown) < 1.1


@given(st.text().filter(lambda name: ":" not in name), st.binary())
def test_any_name_and_password_can_be_sent(name, password):
    """Names without a colon, passwords of any octets."""
    sent = header(name, password)
    expected = (name, password) if len(sent) <= 4096 else None
    assert read_basic(sent) == expected


@given(st.text())
def test_any_header_is_read_or_ignored(text):
    """Nothing in it raises."""
    read_basic(text)
    read_basic(f"Basic {text}")
