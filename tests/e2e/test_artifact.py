"""What ``sam build`` made, by itself, and what SAM makes of the template: no emulator takes part.

The emulator lets functions see packages of its own, so only this shows that the layer is complete; and it
is less strict than AWS about much of what SAM makes.
"""

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.template import APIS, FUNCTIONS, ROOT, TEMPLATE, of_type

BUILD = ROOT / ".aws-sam/build"
LAYER = BUILD / "SharedLayer/python"
MOST_BYTES_OF_LAYER = 50 * 1024 * 1024
OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "dateutil", "six")
"""What the Lambda runtime brings; urllib3 and jmespath have to be the layer's own."""

ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "PAYNEARME_BASE_URL": "https://paynearme.invalid",
    "SITES_SECRET": "sites",
    "TABLE_NAME": "payments",
}
# A request that is refused before AWS or PayNearMe is asked, and the status that it is refused with.
REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "AuthorizeFunction": ({"httpMethod": "GET", "multiValueQueryStringParameters": None}, 401),
    "ConfirmFunction": ({"httpMethod": "GET", "multiValueQueryStringParameters": None}, 401),
    "GetTokenFunction": ({"httpMethod": "POST", "body": "{}"}, 400),
}

CALL_HANDLER = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
import app
answer = app.handler(json.loads(sys.argv[2]), None)
loaded = sorted({m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)})
print(json.dumps({"status": answer["statusCode"], "loaded": loaded}))
"""
IMPORT = """
import importlib, json, sys
sys.path[:0] = json.loads(sys.argv[1])
importlib.import_module(sys.argv[2])
"""
TRANSFORM = """
import json, sys
import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
template, parameters = json.load(sys.stdin)
session = boto3.Session(region_name="us-east-1")
json.dump(Translator({}, Parser(), boto_session=session).translate(template, parameters), sys.stdout)
"""


def run_isolated(
    program: str, path: Sequence[Path], *arguments: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run ``program`` in a Python that has its standard library, ``path``, and nothing else of this one.

    ``-I`` leaves out the working directory, the environment's PYTHON variables and the user's packages;
    ``-S`` leaves out this environment's packages; ``-B`` leaves the build as it is.
    """
    paths = json.dumps([str(entry) for entry in path])
    return subprocess.run(  # noqa: S603 # our own programs
        [sys.executable, "-I", "-S", "-B", "-c", program, paths, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def built(stack: object) -> Path:
    """Return the folder of what was built: with a stack there is one."""
    return BUILD


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the Lambda runtime brings beside Python, and nothing else."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in OF_THE_RUNTIME:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        module = Path(found.origin)
        source = module.parent if module.name == "__init__.py" else module
        (folder / source.name).symlink_to(source)
    return folder


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_needs_what_was_built_and_boto3_alone(
    function: str, built: Path, runtime: Path, tmp_path: Path
) -> None:
    event, status = REFUSED[function]
    places = [built / function, LAYER, runtime]
    done = run_isolated(CALL_HANDLER, places, json.dumps(event), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["status"] == status

    library = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
    loaded = [Path(file) for file in told["loaded"]]
    assert not [file for file in loaded if not any(file.is_relative_to(p) for p in [*places, *library])]
    assert not [file for file in loaded if "site-packages" in file.parts]
    for package in ("aws_lambda_powertools", "jmespath", "paynearme", "pydantic", "tenacity", "urllib3"):
        assert LAYER / package / "__init__.py" in loaded


@pytest.mark.parametrize("module", ["pytest", "aiohttp", "tests", "local", "urllib3", "pydantic"])
def test_the_isolated_python_sees_nothing_of_this_one(module: str, runtime: Path, tmp_path: Path) -> None:
    assert importlib.util.find_spec(module) is not None
    done = run_isolated(IMPORT, [runtime], module, folder=tmp_path)
    assert done.returncode == 1
    assert f"ModuleNotFoundError: No module named '{module}'" in done.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_without_its_layer_does_not_start(
    function: str, built: Path, runtime: Path, tmp_path: Path
) -> None:
    done = run_isolated(IMPORT, [built / function, runtime], "app", folder=tmp_path)
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'paynearme'" in done.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_ships_its_handler_and_nothing_else(function: str, built: Path) -> None:
    assert [entry.name for entry in (built / function).iterdir()] == ["app.py"]


@pytest.mark.usefixtures("built")
def test_the_layer_ships_what_its_requirements_pin_and_our_package() -> None:
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "layers/shared/requirements.txt").read_text(), re.MULTILINE)
    shipped = list(importlib.metadata.distributions(path=[str(LAYER)]))
    assert {plain(entry.name) for entry in shipped} == {plain(name) for name in pinned}
    theirs = {file.parts[0] for entry in shipped for file in entry.files or ()}
    ours = {"paynearme", "requirements.in", "requirements.txt"}
    assert {entry.name for entry in LAYER.iterdir()} == theirs | ours


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.usefixtures("built")
def test_the_layer_does_not_shadow_the_runtimes_boto3() -> None:
    assert not [name for name in OF_THE_RUNTIME if list(LAYER.glob(f"{name}*"))]


@pytest.mark.usefixtures("built")
def test_the_layer_is_small() -> None:
    assert (
        sum(file.stat().st_size for file in LAYER.parent.rglob("*") if file.is_file()) < MOST_BYTES_OF_LAYER
    )


def expanded(template: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """Return the resources that SAM makes of ``template``, as it does on AWS."""
    done = subprocess.run(  # noqa: S603 # our own program
        [str(ROOT / ".venvs/sam/bin/python"), "-I", "-c", TRANSFORM],
        input=json.dumps([template, parameters]),
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    resources: dict[str, Any] = json.loads(done.stdout)["Resources"]
    return resources


@pytest.fixture
def packaged() -> dict[str, Any]:
    """Return the template as ``sam deploy`` hands it in: with addresses in the place of folders."""
    template: dict[str, Any] = json.loads(json.dumps(TEMPLATE))
    for function in FUNCTIONS:
        template["Resources"][function]["Properties"]["CodeUri"] = f"s3://bucket/{function}"
    template["Resources"]["SharedLayer"]["Properties"]["ContentUri"] = "s3://bucket/SharedLayer"
    return template


def made(resources: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: entry["Properties"] for name, entry in resources.items() if entry["Type"] == kind}


def versions(resources: dict[str, Any]) -> set[str]:
    return set(made(resources, "AWS::Lambda::Version"))


def test_nothing_changed_publishes_nothing(packaged: dict[str, Any]) -> None:
    assert versions(expanded(deepcopy(packaged))) == versions(expanded(packaged))
    assert len(versions(expanded(packaged))) == len(FUNCTIONS)


def test_a_change_of_the_layer_publishes_a_version_of_every_function(packaged: dict[str, Any]) -> None:
    before = versions(expanded(packaged))
    packaged["Resources"]["SharedLayer"]["Properties"]["ContentUri"] = "s3://bucket/changed"
    assert versions(expanded(packaged)).isdisjoint(before)


def test_a_change_of_a_setting_publishes_a_version_of_every_function(packaged: dict[str, Any]) -> None:
    before = versions(expanded(packaged))
    packaged["Globals"]["Function"]["MemorySize"] *= 2
    assert versions(expanded(packaged)).isdisjoint(before)


@pytest.mark.parametrize(
    ("parameter", "value", "functions"),
    [
        ("SitesMaxAgeSeconds", "60", FUNCTIONS),
        ("Architecture", "x86_64", FUNCTIONS),
        ("AuthorizationMaxAgeSeconds", "60", ["AuthorizeFunction"]),
        ("AuthorizationMaxAheadSeconds", "60", ["AuthorizeFunction"]),
        ("PayNearMeBaseUrl", "https://api.paynearme.com", ["GetTokenFunction"]),
        ("DefaultSiteIdentifier", "S1", ["GetTokenFunction"]),
    ],
)
def test_another_value_of_a_parameter_publishes_a_version_of_the_functions_that_read_it(
    packaged: dict[str, Any], parameter: str, value: str, functions: Sequence[str]
) -> None:
    new = versions(expanded(packaged, **{parameter: value})) - versions(expanded(packaged))
    assert sorted(name.partition("Version")[0] for name in new) == sorted(functions)


def operations(api: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in api["Body"]["paths"].values() for operation in path.values()]


def test_every_route_of_the_backend_api_wants_an_iam_signature(packaged: dict[str, Any]) -> None:
    api = made(expanded(packaged), "AWS::ApiGateway::RestApi")["BackendApi"]
    body = api["Body"]
    schemes = body.get("securityDefinitions") or body["components"]["securitySchemes"]
    assert schemes["AWS_IAM"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert operations(api)
    assert all(operation["security"] == [{"AWS_IAM": []}] for operation in operations(api))


def test_no_route_calls_its_function_with_the_callers_own_rights(packaged: dict[str, Any]) -> None:
    # Else the backend would need the right to invoke the function, which its policy does not give.
    for api in made(expanded(packaged), "AWS::ApiGateway::RestApi").values():
        integrations = [operation["x-amazon-apigateway-integration"] for operation in operations(api)]
        assert not [i for i in integrations if "credentials" in i]


def test_every_route_calls_the_published_version(packaged: dict[str, Any]) -> None:
    for api in made(expanded(packaged), "AWS::ApiGateway::RestApi").values():
        for operation in operations(api):
            assert "Aliaslive}" in operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]


def test_an_api_has_no_stage_without_throttling_and_logs(packaged: dict[str, Any]) -> None:
    resources = expanded(packaged)
    # SAM makes one more with each deployment, unless the API names its version of OpenAPI.
    assert not [d for d in made(resources, "AWS::ApiGateway::Deployment").values() if "StageName" in d]
    stages = made(resources, "AWS::ApiGateway::Stage").values()
    assert len(stages) == len(APIS)
    assert all(stage["MethodSettings"] and stage["AccessLogSetting"] for stage in stages)


def test_only_the_apis_may_invoke_the_functions_and_sam_adds_no_role(packaged: dict[str, Any]) -> None:
    resources = expanded(packaged)
    permissions = made(resources, "AWS::Lambda::Permission").values()
    assert {permission["Principal"] for permission in permissions} == {"apigateway.amazonaws.com"}
    apis = {permission["SourceArn"]["Fn::Sub"][1]["__ApiId__"]["Ref"] for permission in permissions}
    assert apis == set(APIS)
    assert set(made(resources, "AWS::IAM::Role")) == set(of_type("AWS::IAM::Role"))
