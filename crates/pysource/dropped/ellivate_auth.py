"""`init_ellivate_auth(app)`: the gate of `vestibule_auth`, for apps written with that name.

Vestibule writes this file into the app at every publish; changes made here are lost.
"""

from vestibule_auth import VestibuleGate as VestibuleGate
from vestibule_auth import init_ellivate_auth as init_ellivate_auth
from vestibule_auth import init_vestibule_auth as init_vestibule_auth
