"""The web configuration: what is taken, and what each mistake gets."""

import contextlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ConfigError
from exporter.web.access import RateLimit, is_bcrypt, load_web_config, parse_web_config
from tests.yaml_files import read_yaml

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
FOLDER = Path("/etc/maildns")


def read(text):
    """Read a web configuration."""
    return parse_web_config(text, "web.yml", FOLDER)


def test_the_example_is_taken():
    """Every key of the example means what the documentation says."""
    config = load_web_config(Path("docs/web.example.yml"))

    assert config.tls is not None
    assert config.tls.client_auth is ssl.CERT_REQUIRED
    assert config.tls.certificate == Path("docs/server.crt").absolute()
    assert list(config.users) == ["prometheus"]
    assert config.headers == {"Strict-Transport-Security": "max-age=63072000"}


def test_an_empty_file_asks_for_nothing():
    """As exporter-toolkit has it: plain HTTP, open to all."""
    assert read("") == read("# nothing\n") == read("basic_auth_users:\n")


def test_every_key_of_the_format_is_known():
    """All of it at once, PEM texts inline."""
    config = read(
        f"""
        tls_server_config:
          cert: CERT
          key: KEY
          client_ca: CA
          client_auth_type: RequireAndVerifyClientCert
          client_allowed_sans: [prometheus.example.org]
          min_version: TLS13
          max_version: TLS13
          cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
          prefer_server_cipher_suites: false
          curve_preferences: [CurveP256]
        http_server_config:
          http2: false
          headers:
            Content-Security-Policy: ""
            X-Frame-Options: sameorigin
            X-Content-Type-Options: nosniff
            X-XSS-Protection: "0"
            Strict-Transport-Security: max-age=1
        basic_auth_users:
          alice: {HASH}
        rate_limit: {{interval: 500ms, burst: 7}}
        """
    )

    assert config.tls is not None
    assert (config.tls.certificate, config.tls.key, config.tls.client_ca) == ("CERT", "KEY", "CA")
    assert config.tls.minimum is config.tls.maximum is ssl.TLSVersion.TLSv1_3
    assert config.tls.ciphers == ("ECDHE-RSA-AES128-GCM-SHA256",)
    assert config.tls.curve == "prime256v1"
    assert config.users == {"alice": HASH.encode()}
    assert config.rate_limit == RateLimit(0.5, 7)


MISTAKES = read_yaml(Path(__file__).with_name("web_config_mistakes.yml").read_text())


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["problems"][0].partition(": ")[0])
def test_a_mistake_gets_its_place_and_what_would_be_right(mistake):
    """The whole message, for each."""
    with pytest.raises(ConfigError) as caught:
        read(mistake["text"])

    assert str(caught.value).splitlines() == [f"web.yml:{problem}" for problem in mistake["problems"]]


def test_a_file_that_is_not_there_is_a_problem():
    """Not an open door."""
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        load_web_config(Path("/nonexistent/web.yml"))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (HASH, True),
        (HASH.replace("2y", "2b"), True),
        (HASH.replace("2y", "2a"), True),
        (HASH.replace("2y", "2x"), False),
        (HASH.replace("$10$", "$03$"), False),
        (HASH.replace("$10$", "$19$"), False),
        (HASH[:-1], False),
        (HASH[:-1] + "!", False),
        ("", False),
    ],
)
def test_bcrypt_hashes_are_known_by_their_form(text, is_one):
    """Kind, a cost that is bearable, 53 characters of salt and digest."""
    assert is_bcrypt(text) is is_one


@given(st.text(max_size=200))
def test_whatever_the_text_it_is_taken_or_refused(text):
    """Nothing but `ConfigError`."""
    with contextlib.suppress(ConfigError):
        read(text)
