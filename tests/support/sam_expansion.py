"""The template after SAM's transform, as CloudFormation receives it."""

import json
import os
import subprocess
from copy import deepcopy
from functools import cache
from typing import Any

from tests.support.template import FUNCTIONS, ROOT, TEMPLATE

TRANSLATOR = """
import json, sys, boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
session = boto3.Session(region_name="us-east-1")
print(json.dumps(Translator({}, Parser(), boto_session=session).translate(*json.load(sys.stdin))))
"""


@cache
def expand(layer: str = "s3://bucket/layer", **parameters: str) -> dict[str, Any]:
    """Return the expanded template, with S3 URLs instead of folders, as ``sam deploy`` sends them."""
    template = deepcopy(TEMPLATE)
    for function in FUNCTIONS:
        template["Resources"][function]["Properties"]["CodeUri"] = f"s3://bucket/{function}"
    template["Resources"]["SharedLayer"]["Properties"]["ContentUri"] = layer
    # SAM has its own virtual environment.
    command = [str(ROOT / ".venvs/sam/bin/python"), "-I", "-c", TRANSLATOR]
    text, environment = json.dumps([template, parameters]), {"PATH": os.defpath}
    output = subprocess.run(command, input=text, env=environment, capture_output=True, check=True, text=True)  # noqa: S603 # our own program
    expanded: dict[str, Any] = json.loads(output.stdout)
    return expanded
