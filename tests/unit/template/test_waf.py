"""The rules of AWS WAF that block, and those that only count. A blocked callback is a lost payment."""

from typing import Any

import pytest

from paynearme.platform.http_request import MAX_BYTES
from tests.support.template import PARAMETERS, RESOURCES

ACL: dict[str, Any] = RESOURCES["WebAcl"]["Properties"]
RULES: dict[str, dict[str, Any]] = {rule["Name"]: rule for rule in ACL["Rules"]}

RULE_GROUPS = {
    "AWSManagedRulesAmazonIpReputationList": [],
    "AWSManagedRulesCommonRuleSet": [
        "CrossSiteScripting_BODY",
        "CrossSiteScripting_COOKIE",
        "CrossSiteScripting_QUERYARGUMENTS",
        "CrossSiteScripting_URIPATH",
        "EC2MetaDataSSRF_BODY",
        "EC2MetaDataSSRF_COOKIE",
        "EC2MetaDataSSRF_QUERYARGUMENTS",
        "EC2MetaDataSSRF_URIPATH",
        "GenericLFI_BODY",
        "GenericLFI_QUERYARGUMENTS",
        "GenericLFI_URIPATH",
        "GenericRFI_BODY",
        "GenericRFI_QUERYARGUMENTS",
        "GenericRFI_URIPATH",
        "NoUserAgent_HEADER",
        "RestrictedExtensions_QUERYARGUMENTS",
        "RestrictedExtensions_URIPATH",
        "SizeRestrictions_BODY",
        "SizeRestrictions_Cookie_HEADER",
        "SizeRestrictions_QUERYSTRING",
        "SizeRestrictions_URIPATH",
        "UserAgent_BadBots_HEADER",
    ],
    "AWSManagedRulesKnownBadInputsRuleSet": [
        "ExploitablePaths_URIPATH",
        "Host_localhost_HEADER",
        "JavaDeserializationRCE_BODY",
        "JavaDeserializationRCE_HEADER",
        "JavaDeserializationRCE_QUERYSTRING",
        "JavaDeserializationRCE_URIPATH",
        "Log4JRCE_BODY",
        "Log4JRCE_HEADER",
        "Log4JRCE_QUERYSTRING",
        "Log4JRCE_URIPATH",
        "PROPFIND_METHOD",
        "ReactJSRCE_BODY",
    ],
}
"""AWS's managed groups with their rules. WAF ignores an override with an unknown name."""

CONSUMER_CONTROLLED = ("_BODY", "_QUERYARGUMENTS", "_QUERYSTRING")
"""Suffixes of the rules that inspect text that consumers control."""


def managed() -> dict[str, dict[str, Any]]:
    statements = [rule["Statement"].get("ManagedRuleGroupStatement") for rule in RULES.values()]
    return {statement["Name"]: statement for statement in statements if statement}


def test_waf_managed_rule_groups_are_expected() -> None:
    assert set(managed()) == set(RULE_GROUPS)
    assert {group["VendorName"] for group in managed().values()} == {"AWS"}


@pytest.mark.parametrize("group", RULE_GROUPS)
def test_waf_counts_consumer_controlled_matches(group: str) -> None:
    overrides = managed()[group].get("RuleActionOverrides", [])
    assert all(override["ActionToUse"] == {"Count": {}} for override in overrides)
    consumer_rules = {name for name in RULE_GROUPS[group] if name.endswith(CONSUMER_CONTROLLED)}
    # PayNearMe does not document a User-Agent of its callbacks.
    consumer_rules |= {"NoUserAgent_HEADER"} & set(RULE_GROUPS[group])
    assert {override["Name"] for override in overrides} == consumer_rules


def test_waf_body_size_maximum_equals_function_maximum() -> None:
    statement = RULES["BodySize"]["Statement"]["SizeConstraintStatement"]
    assert (statement["ComparisonOperator"], statement["Size"]) == ("GT", MAX_BYTES)
    # WAF inspects this size of a body. A larger body matches.
    assert statement["FieldToMatch"] == {"Body": {"OversizeHandling": "MATCH"}}
    inspected_size = ACL["AssociationConfig"]["RequestBody"]["API_GATEWAY"]["DefaultSizeInspectionLimit"]
    assert inspected_size == f"KB_{MAX_BYTES // 1024}"


def test_waf_ip_rate_limit_admits_callback_rate() -> None:
    statement = RULES["RateLimit"]["Statement"]["RateBasedStatement"]
    assert statement["AggregateKeyType"] == "IP"
    assert statement["Limit"] == {"Ref": "WafRateLimitPerIp"}
    # PayNearMe can send all authorizations and confirmations from one IP address.
    admitted_requests = 2 * int(PARAMETERS["CallbackRateLimit"]["Default"]) * statement["EvaluationWindowSec"]
    assert int(PARAMETERS["WafRateLimitPerIp"]["Default"]) >= admitted_requests


def test_waf_stores_no_sampled_requests() -> None:
    # A sample contains the query string, with personal data and the signature.
    resources = [ACL, *RULES.values()]
    assert not [entry for entry in resources if entry["VisibilityConfig"]["SampledRequestsEnabled"]]
    assert all(entry["VisibilityConfig"]["CloudWatchMetricsEnabled"] for entry in resources)


def test_waf_default_action_allows() -> None:
    assert ACL["DefaultAction"] == {"Allow": {}}
    assert ACL["Scope"] == "REGIONAL"


def test_waf_rules_have_unique_priorities() -> None:
    priorities = [rule["Priority"] for rule in RULES.values()]
    assert len(set(priorities)) == len(priorities) == len(ACL["Rules"])
