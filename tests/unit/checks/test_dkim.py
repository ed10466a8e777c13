"""DKIM: key records (RFC 6376 section 3.6) and the keys in them (X.690)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Text
from exporter.checks.check import run_check
from exporter.checks.dkim import dkim, is_ed25519_info, key_name, read_value, rsa_key
from exporter.checks.result import Reason, Result
from exporter.checks.txt_records import parse_tags
from tests.factories import World, name, question
from tests.mistakes import broken
from tests.strategies import INCONCLUSIVE

KEY = "k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
AT = "s1._domainkey.example.org"
THERE = "s1-example-org._domainkey.example.onmicrosoft.example"


def evaluate(zone):
    """Judge the selector s1 of example.org in a world of these records."""
    return run_check(dkim("s1", name("example.org")), World.parse(zone))[0]


@pytest.mark.parametrize(
    ("zone", "result", "reason"),
    [
        pytest.param(f"{AT} TXT {KEY}", Result.PASS, None, id="own-key"),
        pytest.param(f"{AT} CNAME {THERE}\n{THERE} TXT {KEY}", Result.PASS, None, id="delegated"),
        pytest.param(f"{AT} CNAME {THERE}", Result.FAIL, "dkim-dangling", id="dangling-nxdomain"),
        pytest.param(f"{AT} CNAME {THERE}\n{THERE} A 192.0.2.1", Result.FAIL, "dkim-dangling", id="dangling-nodata"),
        pytest.param("", Result.FAIL, "dkim-missing", id="missing"),
        pytest.param(f"{AT} TXT {KEY}\n{AT} TXT v=DKIM1; p=", Result.FAIL, "dkim-several-records", id="two-keys"),
        pytest.param(
            f"{AT} TXT {KEY}\n{AT} TXT site-verification",
            Result.FAIL,
            "dkim-several-records",
            id="a-stranger-next-to-it",
        ),
        pytest.param(f'{AT} TXT "{KEY[:20]}" "{KEY[20:]}"', Result.PASS, None, id="several-strings"),
        pytest.param(f"{AT} TXT !servfail", Result.UNKNOWN, "servfail", id="servfail"),
        pytest.param(f"{AT} CNAME {AT}", Result.UNKNOWN, "chain", id="cname-loop"),
    ],
)
def test_verdicts(zone, result, reason):
    """Each state of a selector has its result and reason."""
    report = evaluate(zone)

    assert (report.finding.result, report.finding.reason) == (result, reason)
    assert report.finding.subject == "s1"
    assert (report.finding.fix is not None) == (result is Result.FAIL)


def test_a_dangling_selector_names_both_ends():
    """Who runs the selector and who should publish the key are different people."""
    finding = evaluate(f"{AT} CNAME {THERE}").finding

    assert (
        finding.sentence == f"The DKIM selector s1 dangles: the CNAME of {AT} leads to {THERE}, which does not exist."
    )
    assert finding.fix.zone == AT


ED25519_INFO = "MCowBQYDK2VwAyEAZLzdlFONs2tSBW0pVlB4/f/JQbLvpDX5maSXTUo7xxQ="


@pytest.mark.parametrize(
    ("zone", "sentence"),
    [
        pytest.param("", f"The DKIM selector s1 has no key: {AT} does not exist.", id="nxdomain"),
        pytest.param(f"{AT} A 192.0.2.1", f"The DKIM selector s1 has no key: {AT} has no TXT record.", id="nodata"),
        pytest.param(
            f"{AT} TXT k=ed25519; p={ED25519_INFO}",
            "The DKIM key s1 cannot be read: p= is a SubjectPublicKeyInfo, where an Ed25519 key is exactly 32 bytes.",
            id="ed25519-in-asn1",
        ),
        pytest.param(
            f"{AT} TXT k=ed25519; p=aGVsbG8=",
            "The DKIM key s1 cannot be read: an Ed25519 key is exactly 32 bytes, but p= has 5 bytes.",
            id="ed25519-of-another-length",
        ),
        pytest.param(f"{AT} TXT s=a:b; {KEY}", "The DKIM key s1 is not for email: s=a:b.", id="the-services-are-named"),
        pytest.param(
            f"{AT} TXT {KEY}; h=sha1:md5",
            "The DKIM key s1 allows only h=sha1:md5, but verifiers want sha256.",
            id="the-hashes-are-named",
        ),
        pytest.param(
            f"{AT} TXT v=DKIM1; k=rsa",
            f"The DKIM record at {AT} cannot be read: it has no p= with the key.",
            id="no-key-in-the-record",
        ),
        pytest.param(
            f"{AT} TXT a\n{AT} TXT b",
            f"The DKIM selector s1 has no key: {AT} has only TXT records that are no keys: a.",
            id="several-of-which-none-is-a-key",
        ),
    ],
)
def test_the_sentence_says_what_is_wrong(zone, sentence):
    """What was found is in the sentence."""
    assert evaluate(zone).finding.sentence == sentence


@pytest.mark.parametrize(
    ("record", "fixed"),
    [
        pytest.param(
            "v=DKIM1; n=a : b; t=y : s; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7h cvPapiMlrwIaaPcHURo=",
            "v=DKIM1; n=a : b; t=s; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
            id="only-the-flag-goes",
        ),
        pytest.param(f"v=DKIM1;t=y;{KEY}", f"v=DKIM1; {KEY}", id="and-the-tag-with-its-last-flag"),
        pytest.param(f"v=DKIM1; s=a:b; {KEY}", f"v=DKIM1; {KEY}", id="services"),
        pytest.param(f"h=sha1; {KEY}", KEY, id="hashes"),
    ],
)
def test_a_record_is_rewritten_but_for_what_is_wrong(record, fixed):
    """The fix has all other tags as they are, in their order, the key without white space, at the end of the CNAME."""
    report = evaluate(f"{AT} CNAME {THERE}\n{THERE} TXT {record}")
    (fix,) = [helo.fix for helo in (report.finding, *report.hints) if helo.fix]

    assert fix.records == (f'{THERE}. TXT "{fixed}"',)
    assert fix.replaces == (f'{THERE}. TXT "{record}"',)
    assert fix.zone == THERE


def test_of_several_records_the_only_usable_key_stays():
    """All others are named. Of two usable keys, which one signs is not for us to say."""
    fix = evaluate(f"{AT} TXT {KEY}\n{AT} TXT v=DKIM1; p=\n{AT} TXT x").finding.fix

    assert (fix.records, fix.replaces) == ((), (f'{AT}. TXT "v=DKIM1; p="', f'{AT}. TXT "x"'))
    fix = evaluate(f"{AT} TXT {KEY}\n{AT} TXT {KEY.replace('p=11', 'p=22')}").finding.fix
    assert (fix.records, fix.replaces) == ((), ())


def test_a_selector_may_have_several_labels():
    """A selector is a name of its own (RFC 6376 section 3.1); one that cannot be in the DNS is refused."""
    assert key_name("2026.mail", name("example.org")) == "2026.mail._domainkey.example.org"
    with pytest.raises(ValueError, match="63 bytes"):
        key_name("a" * 64, name("example.org"))


@given(st.binary(max_size=200), st.binary(max_size=200), st.randoms())
def test_any_bytes_get_a_verdict_in_any_order(text, key, random):
    """No record can break the check, and the order of records does not matter."""
    records = [Text(text), Text(b"v=DKIM1; k=" + text), Text(b"v=DKIM1; p=" + key)]
    random.shuffle(records)
    for count in (1, 2, 3):
        asked = question(AT, "TXT")
        world = World({asked: frozenset(records[:count])})

        def twice(it, world=world):
            answer = world(it)
            return Answer(answer.status, (*answer.records, *answer.records[::-1]))

        assert (
            run_check(dkim("s1", name("example.org")), twice)[0] == run_check(dkim("s1", name("example.org")), world)[0]
        )


WHOLE = "v=DKIM1; k=ed25519; t=s; n=mail; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
KEYS = (
    lambda text: text.replace("k=ed25519; ", ""),
    lambda text: text.replace("ed25519", "Ed25519"),
    lambda text: text.replace("p=", "p=-----BEGIN PUBLIC KEY-----") + "-----END PUBLIC KEY-----",
    lambda text: text.removesuffix("="),
    lambda text: text.replace("Og7", 'O"g7'),
)


@given(broken(WHOLE, KEYS))
def test_a_key_record_is_repaired_without_loss(text):
    """Whatever is broken about it: a fix with a record keeps the key and its flags, and then the selector passes."""
    world = World({question(AT, "TXT"): frozenset({Text(text.encode())})})
    report, _ = run_check(dkim("s1", name("example.org")), world)
    fix = report.finding.fix
    if fix is not None and fix.records:
        world = world.apply(fix)
        report, _ = run_check(dkim("s1", name("example.org")), world)
        (fixed,) = world(question(AT, "TXT")).texts

        assert report.finding.reason is None
        assert set(parse_tags(fixed).pairs) == set(parse_tags(WHOLE.encode()).pairs)


@given(st.sampled_from(INCONCLUSIVE))
def test_an_outage_withholds_a_verdict(status):
    """Without an answer the report says nothing about the key."""
    dark = World().without_answers_to({Question(name(AT), "TXT"): status})
    report, _ = run_check(dkim("s1", name("example.org")), dark)

    assert (report.finding.result, report.finding.reason) == (Result.UNKNOWN, Reason.of(status))
    assert report.bits is None
    assert report.finding.reason != Reason.DKIM_MISSING


INFO = base64.b64decode(
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMkpuKqqjQZ87Xow/2KWtEDRqFn+rB6Jfxqb+7JEossMptUXO0RcNi10O7jbRomN"
    "5aerVHvIUqvLuU7Pn8ecBukCAwEAAQ=="
)


def der(tag, content):
    """Encode one value."""
    size = len(content)
    data = b"" if size < 0x80 else size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, size] if size < 0x80 else [tag, 0x80 | len(data)]) + data + content


def integer(number):
    """Encode a positive integer."""
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


@given(st.integers(min_value=1, max_value=2**4096), st.integers(min_value=1, max_value=2**64))
def test_every_key_has_its_size(modulus, exponent):
    """Bare or wrapped, the size of the modulus is read to the bit."""
    bare = der(0x30, integer(modulus) + integer(exponent))
    algorithm = der(0x30, der(0x06, bytes.fromhex("2a864886f70d010101")) + der(0x05, b""))
    for key in (bare, der(0x30, algorithm + der(0x03, b"\0" + bare))):
        assert rsa_key(key) == (modulus.bit_length(), exponent)


def test_a_damaged_key_is_no_key():
    """Cut anywhere, or with anything behind it, it is refused."""
    assert rsa_key(INFO) == (512, 65537)
    assert [size for size in range(len(INFO)) if rsa_key(INFO[:size])] == []
    assert rsa_key(INFO + b"\0") is None
    assert rsa_key(INFO.replace(b"\x01\x01\x01\x05", b"\x01\x01\x02\x05")) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_read_within_their_bounds(data):
    """Whatever is read is a part of what was given."""
    value = read_value(data)
    rsa_key(data)
    is_ed25519_info(data)

    assert value is None or data.endswith(value.content + value.rest)


def test_lengths_are_as_der_wants_them():
    """The indefinite, the needlessly long, and the enormous length are refused."""
    for length in (b"\x80", b"\x81\x01", b"\x82\x00\x80", b"\x84\x7f\xff\xff\xff"):
        assert read_value(b"\x30" + length + bytes(300)) is None
