import pytest
from pydantic import ValidationError

from paynearme.sites.site import Site


def test_site_empty_secret_invalid() -> None:
    with pytest.raises(ValidationError):
        Site.model_validate({"version": "3.0", "secret": ""})


@pytest.mark.parametrize("name", ["", "Reversal", "a b", "a:b", "1st", "_x", "x>", "é", "x" * 65])
@pytest.mark.parametrize("field", ["reverse_envelope", "reverse_element"])
def test_site_envelope_name_invalid(field: str, name: str) -> None:
    with pytest.raises(ValidationError):
        Site.model_validate({"version": "3.0", "secret": "key", field: name})
