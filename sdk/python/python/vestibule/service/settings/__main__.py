"""``python -m vestibule.service.settings`` prints the reference page of settings."""

import sys

from vestibule.service.settings.reference import reference

sys.stdout.write(reference())
