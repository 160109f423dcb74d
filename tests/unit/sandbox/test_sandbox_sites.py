import json
from typing import Any, cast

from botocore.exceptions import ClientError

from paynearme.platform.deadline import Deadline
from paynearme.platform.settings import Settings
from paynearme.sites.site import parse_sites
from paynearme.sites.site_provider import SiteProvider
from sandbox.clients import sample_messages
from sandbox.stack.sites import (
    GAMING_SITE,
    LENDER_SITE,
    OAUTH_SIGNED_SITE,
    OAUTH_SITE,
    VERSION_2_SITE,
    XML_SITE,
    new_sites,
)


class _SecretsManagerStub:
    """A secret with one version."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self, SecretId: str, VersionStage: str) -> dict[str, str]:  # noqa: N803 # boto3's names
        if VersionStage == "AWSCURRENT":
            return {"SecretString": self._text}
        error: Any = {"Error": {"Code": "ResourceNotFoundException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(error, "GetSecretValue")


def test_the_layer_reads_the_document_and_knows_every_site_of_the_documents_messages() -> None:
    document = new_sites()
    sites = SiteProvider(Settings(sites_secret="s"), cast("Any", _SecretsManagerStub(json.dumps(document))))
    named_sites = {
        message["site_identifier"]
        for kind in ("authorization", "confirmation", "reversal", "get_smart_token")
        for message in sample_messages.load(kind).values()
    }

    resolved_sites = {identifier: sites.get(identifier, Deadline.after(9)) for identifier in document["sites"]}

    default_sites = {*named_sites, GAMING_SITE, LENDER_SITE, OAUTH_SITE, OAUTH_SIGNED_SITE}
    assert default_sites == set(resolved_sites) - {VERSION_2_SITE, XML_SITE}
    assert named_sites == default_sites - {GAMING_SITE, LENDER_SITE, OAUTH_SITE, OAUTH_SIGNED_SITE}
    assert all(
        (resolved_sites[name].version, resolved_sites[name].response_format) == ("3.0", "json")
        for name in default_sites
    )
    assert (resolved_sites[VERSION_2_SITE].version, resolved_sites[VERSION_2_SITE].response_format) == ("2.0", "xml")
    assert (resolved_sites[XML_SITE].version, resolved_sites[XML_SITE].response_format) == ("3.0", "xml")
    envelopes = {
        name: (resolved_sites[name].reverse_envelope, resolved_sites[name].reverse_element) for name in resolved_sites
    }
    assert envelopes.pop(XML_SITE) == ("payment_reverse_response", "reverse")
    assert set(envelopes.values()) == {("payment_reversal_response", "reversal")}


def test_every_site_of_every_run_has_a_key_of_its_own() -> None:
    entries = [*new_sites()["sites"].values(), *new_sites()["sites"].values()]

    assert len({entry["secret"] for entry in entries}) == len(entries) == 22


def test_two_sites_have_a_client_at_paynearme_s_token_address_and_the_others_sign() -> None:
    sites = parse_sites(json.dumps(new_sites("http://127.0.0.1:7001"))).sites
    reparsed_sites = parse_sites(json.dumps(new_sites("http://127.0.0.1:7001"))).sites

    clients = {name: site.oauth for name, site in sites.items() if site.oauth}
    assert {name: site.call_authentication for name, site in sites.items()} == {
        name: "oauth" if name in clients else "hmac" for name in sites
    }
    settings = {
        name: (client.token_url, client.client_authentication, client.scope, client.send_signature)
        for name, client in clients.items()
    }
    url = "http://127.0.0.1:7001/oauth/token"
    assert settings == {OAUTH_SITE: (url, "basic", "payments", False), OAUTH_SIGNED_SITE: (url, "body", None, True)}
    assert sites[OAUTH_SIGNED_SITE].api_secret not in (None, sites[OAUTH_SIGNED_SITE].secret)
    oauth_clients = [*clients.values(), *(site.oauth for site in reparsed_sites.values() if site.oauth)]
    assert len({client.client_id for client in oauth_clients}) == len(oauth_clients) == 4
    assert len({client.client_secret for client in oauth_clients}) == 4
