"""Torch, imported when something is first asked of it: seconds that an int8 certificate saves.

Files that only name its types import these under ``TYPE_CHECKING``.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any


class Late(ModuleType):
    """Stands for a module until an attribute of it is asked for; then it is imported."""

    def __getattr__(self, name: str) -> Any:
        """Import the module, and return its attribute."""
        module = importlib.import_module(self.__name__)
        self.__dict__.update(module.__dict__)  # from now on nothing comes by here
        return getattr(module, name)


if TYPE_CHECKING:
    import torch as torch
else:
    torch = Late("torch")
