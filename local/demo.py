from rich.console import Console
from local.stack import Stack


def tell(stack: Stack, console: Console) -> bool:
    return True
