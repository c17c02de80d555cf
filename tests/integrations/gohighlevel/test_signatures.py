"""A webhook is believed for its signature alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.datastructures import Headers

from ghl_real_estate_ai.errors import ConfigurationError, SignatureRejected
from ghl_real_estate_ai.integrations.gohighlevel.signatures import SignatureVerifier, Signer
from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.settings import GHL_PUBLIC_KEY
from tests.support.ghl import GhlSigner, encoded, reader_of, webhook

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD, NEW, SIMULATOR, STRANGER = (GhlSigner(seed) for seed in (1, 2, 3, 4))
BODY = encoded(webhook("InboundMessage", contactId="lead-1", conversationId="talk-1", body="Grüße"))


def verifier() -> SignatureVerifier:
    return SignatureVerifier(
        public_keys=(OLD.public_key, NEW.public_pem), simulator_public_key=SIMULATOR.public_key
    )


@pytest.mark.parametrize(
    ("signed_by", "expected"),
    [(OLD, Signer.GOHIGHLEVEL), (NEW, Signer.GOHIGHLEVEL), (SIMULATOR, Signer.SIMULATOR)],
)
def test_every_listed_key_is_tried_and_names_its_signer(signed_by: GhlSigner, expected: Signer) -> None:
    assert verifier().signer(BODY, signed_by.headers(BODY)) is expected


def test_who_signed_before_makes_no_difference() -> None:
    one = verifier()
    for signed_by, expected in (
        (SIMULATOR, Signer.SIMULATOR),
        (SIMULATOR, Signer.SIMULATOR),
        (NEW, Signer.GOHIGHLEVEL),
        (OLD, Signer.GOHIGHLEVEL),
        (SIMULATOR, Signer.SIMULATOR),
    ):
        assert one.signer(BODY, signed_by.headers(BODY)) is expected
        with pytest.raises(SignatureRejected):
            one.signer(BODY, STRANGER.headers(BODY))


def test_header_names_are_read_in_any_case() -> None:
    assert verifier().signer(BODY, Headers({"x-ghl-signature": OLD.sign(BODY)})) is Signer.GOHIGHLEVEL


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-GHL-Signature": ""},
        {"X-GHL-Signature": "N/A"},
        {"X-GHL-Signature": "not base64!"},
        {"X-GHL-Signature": "AAAA"},
        {"X-GHL-Signature": "Grüße"},
        STRANGER.headers(BODY),
        {"X-WH-Signature": OLD.sign(BODY)},
    ],
)
def test_unsigned_and_foreign_deliveries_are_rejected(headers: dict[str, str]) -> None:
    with pytest.raises(SignatureRejected, match="X-GHL-Signature"):
        verifier().signer(BODY, headers)


def test_one_changed_byte_is_rejected_even_where_the_json_means_the_same() -> None:
    with pytest.raises(SignatureRejected):
        verifier().signer(BODY.replace(b'":"', b'": "', 1), OLD.headers(BODY))


def test_without_any_key_everything_is_rejected() -> None:
    with pytest.raises(SignatureRejected):
        SignatureVerifier(public_keys=(), simulator_public_key="").signer(BODY, OLD.headers(BODY))


def test_highlevels_published_key_loads() -> None:
    SignatureVerifier(public_keys=(GHL_PUBLIC_KEY,), simulator_public_key=" ")


def rsa_key() -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize("bad", ["nonsense!", "AAAA", "", "Grüße", rsa_key()])
def test_a_bad_key_stops_the_start_and_names_its_setting_and_place(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="ENTERPRISEHUB_GHL_PUBLIC_KEYS: key 2"):
        SignatureVerifier(public_keys=(OLD.public_key, bad), simulator_public_key="")


def test_a_bad_simulator_key_names_its_setting() -> None:
    with pytest.raises(ConfigurationError, match="ENTERPRISEHUB_SIMULATOR_PUBLIC_KEY"):
        SignatureVerifier(public_keys=(), simulator_public_key="nonsense")


def test_a_key_cannot_be_both_real_and_simulated() -> None:
    with pytest.raises(ConfigurationError, match="remove it from one"):
        SignatureVerifier(public_keys=(OLD.public_pem,), simulator_public_key=OLD.public_key)


def test_the_signing_key_not_the_text_decides_what_is_simulated() -> None:
    reader = reader_of(vendor=OLD, simulator=SIMULATOR)
    claims = encoded(
        webhook("NoteCreate", id="n", contactId="c", body="b", simulated=True, source="simulator")
    )
    denies = encoded(webhook("NoteCreate", id="n", contactId="c", body="b", simulated=False))
    real = reader.read(claims, OLD.headers(claims), received_at=NOW)
    made_up = reader.read(denies, SIMULATOR.headers(denies), received_at=NOW)
    assert isinstance(real, Delivery)
    assert not real.event.simulated
    assert isinstance(made_up, Delivery)
    assert made_up.event.simulated


def test_a_wish_map_with_an_unknown_wish_names_its_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"ENTERPRISEHUB_GHL_WISH_FIELDS.*min_pool"):
        GoHighLevelWebhookReader(public_keys=(), simulator_public_key="", wish_fields={"abc": "min_pool"})
