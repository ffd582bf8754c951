"""``python -m vestibule.service.prestart``."""

import sys

from vestibule.service.prestart.command import main

sys.exit(main())
