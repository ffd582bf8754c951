"""`from ellivate_client import ellivate`: the object of `vestibule_client`, for apps written with that name.

Vestibule writes this file into the app at every publish; changes made here are lost.
"""

from vestibule_client import *  # noqa: F403
