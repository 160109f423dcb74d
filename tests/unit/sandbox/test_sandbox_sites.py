import json

from paynearme.sites.site import parse_sites
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


def test_sandbox_sites_include_all_sites_of_sample_messages() -> None:
    resolved_sites = parse_sites(json.dumps(new_sites())).sites
    named_sites = {
        message["site_identifier"]
        for kind in ("authorization", "confirmation", "reversal", "get_smart_token")
        for message in sample_messages.load(kind).values()
    }

    default_sites = {*named_sites, GAMING_SITE, LENDER_SITE, OAUTH_SITE, OAUTH_SIGNED_SITE}
    assert default_sites == set(resolved_sites) - {VERSION_2_SITE, XML_SITE}
    assert named_sites == default_sites - {GAMING_SITE, LENDER_SITE, OAUTH_SITE, OAUTH_SIGNED_SITE}
    formats = {name: (site.version, site.response_format) for name, site in resolved_sites.items()}
    assert formats.pop(VERSION_2_SITE) == ("2.0", None)
    assert formats.pop(XML_SITE) == ("3.0", "xml")
    assert set(formats.values()) == {("3.0", None)}
    envelopes = {name: (site.reverse_envelope, site.reverse_element) for name, site in resolved_sites.items()}
    assert envelopes.pop(XML_SITE) == ("payment_reverse_response", "reverse")
    assert set(envelopes.values()) == {("payment_reversal_response", "reversal")}


def test_sandbox_sites_two_use_oauth_and_others_hmac() -> None:
    sites = parse_sites(json.dumps(new_sites("http://127.0.0.1:7001"))).sites
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
