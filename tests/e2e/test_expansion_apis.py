"""The web ACL and the custom domains after SAM's transform. The emulator does not support the association."""

import re
from functools import cache
from typing import Any

import pytest

from tests.support.sam_expansion_fixture import resolve_deployment, resources_of_type
from tests.support.template import APIS, PARAMETERS

KINDS = [api.removesuffix("Api") for api in APIS]
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1"


@cache
def with_waf(mode: str) -> dict[str, Any]:
    return resolve_deployment(WafMode=mode)[0]


@cache
def with_domain(kind: str, disable_default: str = "false") -> tuple[dict[str, Any], dict[str, Any]]:
    domain_parameters = {f"{kind}DomainName": "payments.example.com", f"{kind}CertificateArn": CERTIFICATE}
    return resolve_deployment(**domain_parameters, DisableDefaultEndpoints=disable_default, Stage="prod")


def rules(mode: str) -> list[dict[str, Any]]:
    (acl,) = resources_of_type(with_waf(mode), "AWS::WAFv2::WebACL").values()
    acl_rules: list[dict[str, Any]] = acl["Rules"]
    return acl_rules


def actions(mode: str) -> set[str]:
    """Return the actions of the rules. ``None`` keeps the actions of a managed rule group."""
    return {next(iter(rule.get("Action") or rule["OverrideAction"])) for rule in rules(mode)}


def is_disabled(resources: dict[str, Any], api: str) -> bool:
    """Return whether the default endpoint of an API is disabled."""
    (server,) = resources[api]["Properties"]["Body"]["servers"]
    disabled: bool = server["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"]
    return disabled


def test_waf_mode_default_off_creates_no_waf_resources() -> None:
    assert PARAMETERS["WafMode"]["Default"] == "off"
    assert not [name for name, entry in with_waf("off").items() if "WAF" in entry["Type"]]


def test_waf_mode_count_rules_only_count() -> None:
    assert actions("count") == {"Count"}


def test_waf_mode_block_no_rule_only_counts() -> None:
    assert actions("block") == {"Block", "None"}


@pytest.mark.parametrize("mode", ["count", "block"])
def test_waf_associated_with_stages_of_both_apis(mode: str) -> None:
    resources = with_waf(mode)
    associations = resources_of_type(resources, "AWS::WAFv2::WebACLAssociation").values()
    assert {entry["WebACLArn"]["Fn::GetAtt"][0] for entry in associations} == {"WebAcl"}
    # The ARN contains references, so that CloudFormation creates the stage first.
    stages = {tuple(re.findall(r"\$\{(\w+)\}", entry["ResourceArn"]["Fn::Sub"])) for entry in associations}
    stage_resources = resources_of_type(resources, "AWS::ApiGateway::Stage")
    assert stages == {(entry["RestApiId"]["Ref"], name) for name, entry in stage_resources.items()}


@pytest.mark.parametrize("disable_default", ["false", "true"])
def test_api_without_domain_keeps_default_endpoint(disable_default: str) -> None:
    resources, outputs = resolve_deployment(DisableDefaultEndpoints=disable_default)
    assert not resources_of_type(resources, "AWS::ApiGateway::DomainName")
    assert not resources_of_type(resources, "AWS::ApiGateway::BasePathMapping")
    assert not [api for api in APIS if is_disabled(resources, api)]
    assert not [name for name in outputs if "Domain" in name]


@pytest.mark.parametrize("kind", KINDS)
def test_api_with_domain_default_endpoint_disabled_by_parameter(kind: str) -> None:
    assert PARAMETERS["DisableDefaultEndpoints"]["Default"] == "false"
    disabled_endpoints = {
        disable_default: [api for api in APIS if is_disabled(with_domain(kind, disable_default)[0], api)]
        for disable_default in ("false", "true")
    }
    assert disabled_endpoints == {"false": [], "true": [f"{kind}Api"]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("disable_default", ["false", "true"])
def test_domain_maps_to_stage_of_its_api(kind: str, disable_default: str) -> None:
    resources, _ = with_domain(kind, disable_default)
    (mapping,) = resources_of_type(resources, "AWS::ApiGateway::BasePathMapping").values()
    assert mapping["RestApiId"] == {"Ref": f"{kind}Api"}
    assert mapping["Stage"]["Ref"] in resources_of_type(resources, "AWS::ApiGateway::Stage")
    assert "BasePath" not in mapping


@pytest.mark.parametrize("kind", KINDS)
def test_domain_uses_tls_1_2_and_certificate_parameter(kind: str) -> None:
    (domain,) = resources_of_type(with_domain(kind)[0], "AWS::ApiGateway::DomainName").values()
    assert domain == {
        "DomainName": {"Ref": f"{kind}DomainName"},
        "RegionalCertificateArn": {"Ref": f"{kind}CertificateArn"},
        "EndpointConfiguration": {"Types": ["REGIONAL"]},
        "SecurityPolicy": "TLS_1_2",
    }


@pytest.mark.parametrize("kind", KINDS)
def test_domain_outputs_url_and_dns_target(kind: str) -> None:
    _, outputs = with_domain(kind)
    assert outputs[f"{kind}Url"]["Value"] == {"Fn::Sub": f"https://${{{kind}DomainName}}"}
    assert outputs[f"{kind}DomainTarget"]["Value"] == {"Fn::GetAtt": [f"{kind}Domain", "RegionalDomainName"]}
    zone = outputs[f"{kind}DomainHostedZone"]["Value"]
    assert zone == {"Fn::GetAtt": [f"{kind}Domain", "RegionalHostedZoneId"]}
    (other,) = set(KINDS) - {kind}
    assert "execute-api" in outputs[f"{other}Url"]["Value"]["Fn::Sub"]
