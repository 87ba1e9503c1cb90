"""Signatures, held against the reference library."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from tests.support.examples import examples

from backfilld.executors.http.signing import Signer, signatures, signing_key
from backfilld.executors.secrets import UnusableSecret

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@given(st.binary(min_size=1, max_size=64), st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
@settings(max_examples=examples(50))
def test_signatures_equal_those_of_the_reference_library(key, body):
    at = datetime(2027, 3, 1, 12, 0, 7, tzinfo=UTC)

    signer = Signer(key)
    signer.signature("msg_0", 1, b"another message")  # leaves nothing behind

    assert Webhook(key).sign("msg_1", at, body) == signatures([signer], "msg_1", int(at.timestamp()), body.encode())


def test_a_secret_with_the_usual_prefix_is_decoded():
    assert Webhook(SECRET)._whsecret == signing_key(SECRET)


def test_padding_may_be_left_out():
    assert b"se" == signing_key("whsec_c2U") == signing_key("whsec_c2U=")


def test_a_secret_without_the_prefix_is_taken_as_it_is():
    assert b"MfKQ9r8G" == signing_key("MfKQ9r8G")


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_a"])
def test_an_unusable_secret_is_refused_without_being_repeated(secret):
    with pytest.raises(UnusableSecret) as refused:
        signing_key(secret)

    assert "not base64!" not in str(refused.value)
