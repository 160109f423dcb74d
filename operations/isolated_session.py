"""botocore's session for the local stack. It ignores the AWS settings and the proxies of this machine."""

import os

from botocore.config import Config
from botocore.session import Session


def isolated_session() -> Session:
    """Return a session that reads no ``AWS_`` variable, no configuration file, and no proxy of the environment."""
    variables = {name: (None, None, default, cast) for name, (_, _, default, cast) in Session.SESSION_VARIABLES.items()}
    files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    session = Session(session_vars=variables | files)
    session.set_default_client_config(Config(proxies={}))
    return session
