"""`import ellivate`: the same as `import vestibule`, for apps written with that name.

Vestibule writes this file into the app at every publish; changes made here are lost.
"""

from vestibule import *  # noqa: F403
from vestibule import list as list
from vestibule import set as set
