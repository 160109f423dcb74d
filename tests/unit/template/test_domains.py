"""The custom domains of the two APIs."""

import re
from typing import Any

import pytest

from tests.support.template import APIS, PARAMETERS, TEMPLATE

KINDS = [api.removesuffix("Api") for api in APIS]
RULES: dict[str, Any] = TEMPLATE["Rules"]


@pytest.mark.parametrize("kind", KINDS)
def test_domain_requires_certificate(kind: str) -> None:
    rule = RULES[f"{kind}DomainHasACertificate"]
    has_domain = {"Fn::Not": [{"Fn::Equals": [{"Ref": f"{kind}DomainName"}, ""]}]}
    assert rule["RuleCondition"] == has_domain
    has_certificate = {"Fn::Not": [{"Fn::Equals": [{"Ref": f"{kind}CertificateArn"}, ""]}]}
    assert has_certificate in [assertion["Assert"] for assertion in rule["Assertions"]]


def test_domains_of_apis_must_differ() -> None:
    domains_differ = {"Fn::Not": [{"Fn::Equals": [{"Ref": "CallbackDomainName"}, {"Ref": "BackendDomainName"}]}]}
    assert domains_differ in [assertion["Assert"] for assertion in RULES["CallbackDomainHasACertificate"]["Assertions"]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["", "payments.example.com", "a-b.example.co"])
def test_domain_name_pattern_accepts_name_or_empty(kind: str, name: str) -> None:
    assert re.fullmatch(PARAMETERS[f"{kind}DomainName"]["AllowedPattern"], name)
    assert PARAMETERS[f"{kind}DomainName"]["Default"] == ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["https://payments.example.com", "payments.example.com/", "example", "Payments.example.com"]
)
def test_domain_name_pattern_rejects_url_and_invalid_name(kind: str, name: str) -> None:
    assert not re.fullmatch(PARAMETERS[f"{kind}DomainName"]["AllowedPattern"], name)


@pytest.mark.parametrize("kind", KINDS)
def test_certificate_pattern_accepts_only_acm_arn(kind: str) -> None:
    pattern = PARAMETERS[f"{kind}CertificateArn"]["AllowedPattern"]
    assert re.fullmatch(pattern, "arn:aws:acm:us-east-1:123456789012:certificate/0aB-9")
    assert not re.fullmatch(pattern, "arn:aws:iam::123456789012:server-certificate/x")


@pytest.mark.parametrize("api", APIS)
def test_api_always_deployed_so_default_endpoint_closes(api: str) -> None:
    # SAM ignores parameter values when it decides whether an API has changed.
    assert APIS[api]["AlwaysDeploy"] is True
