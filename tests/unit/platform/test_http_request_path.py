from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.errors import MalformedRequestError
from paynearme.platform.http_request import from_path


def event(**parameters: str) -> dict[str, Any]:
    return {"pathParameters": parameters or None}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_path_parameter_percent_encoding_decoded(text: str) -> None:
    assert from_path(event(name=quote(text, safe=""))) == {"name": text}


@pytest.mark.parametrize("text", ["a+b", "100%", "%zz", "%4", "é"])
def test_path_parameter_without_encoding_unchanged(text: str) -> None:
    assert from_path(event(name=text)) == {"name": text}


def test_path_parameter_decoded_once() -> None:
    assert from_path(event(name="%2541")) == {"name": "%41"}


@pytest.mark.parametrize("text", ["%FF", "a%C3", "%ED%A0%80"])
def test_path_parameter_not_utf_8_malformed(text: str) -> None:
    with pytest.raises(MalformedRequestError):
        from_path(event(good="1", name=text))


def test_path_without_parameters_empty() -> None:
    assert from_path(event()) == {}
    assert from_path({}) == {}
