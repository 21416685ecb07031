"""Feature store -> run: loop, schedules, logging. The only folder that imports Lightning.

`vitreous.train(store, out, ...)` trains, though `vitreous.train` is this folder: Python binds a folder's name in its
package as soon as anything in it is imported, so a function beside it would vanish. The folder itself is callable.
"""

import sys
from types import ModuleType
from typing import Any


class Callable(ModuleType):
    def __call__(self, *given: Any, **settings: Any) -> Any:
        from vitreous.train.door import train

        return train(*given, **settings)


sys.modules[__name__].__class__ = Callable
