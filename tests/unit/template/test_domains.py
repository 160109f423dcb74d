"""The custom domains of the two APIs."""

import re
from typing import Any

import pytest

from tests.support.template import APIS, PARAMETERS, TEMPLATE

KINDS = [api.removesuffix("Api") for api in APIS]
RULES: dict[str, Any] = TEMPLATE["Rules"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_domain_is_not_taken_without_its_certificate(kind: str) -> None:
    rule = RULES[f"{kind}DomainHasACertificate"]
    has_domain = {"Fn::Not": [{"Fn::Equals": [{"Ref": f"{kind}DomainName"}, ""]}]}
    assert rule["RuleCondition"] == has_domain
    has_certificate = {"Fn::Not": [{"Fn::Equals": [{"Ref": f"{kind}CertificateArn"}, ""]}]}
    assert has_certificate in [assertion["Assert"] for assertion in rule["Assertions"]]


def test_the_apis_do_not_share_a_domain() -> None:
    domains_differ = {"Fn::Not": [{"Fn::Equals": [{"Ref": "CallbackDomainName"}, {"Ref": "BackendDomainName"}]}]}
    assert domains_differ in [assertion["Assert"] for assertion in RULES["CallbackDomainHasACertificate"]["Assertions"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["", "payments.example.com", "a-b.example.co"])
def test_a_domain_is_a_name_or_nothing(kind: str, name: str) -> None:
    assert re.fullmatch(PARAMETERS[f"{kind}DomainName"]["AllowedPattern"], name)
    assert PARAMETERS[f"{kind}DomainName"]["Default"] == ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["https://payments.example.com", "payments.example.com/", "example", "Payments.example.com"]
)
def test_an_address_is_no_domain(kind: str, name: str) -> None:
    assert not re.fullmatch(PARAMETERS[f"{kind}DomainName"]["AllowedPattern"], name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_one_of_acms(kind: str) -> None:
    pattern = PARAMETERS[f"{kind}CertificateArn"]["AllowedPattern"]
    assert re.fullmatch(pattern, "arn:aws:acm:us-east-1:123456789012:certificate/0aB-9")
    assert not re.fullmatch(pattern, "arn:aws:iam::123456789012:server-certificate/x")


@pytest.mark.parametrize("api", APIS)
def test_an_api_is_deployed_anew_each_time_so_that_its_own_address_closes(api: str) -> None:
    # SAM ignores parameter values when it decides whether an API has changed.
    assert APIS[api]["AlwaysDeploy"] is True
