"""What tests of a service need: an issuer in memory, callers of any role, and a clock that moves.

```python
from vestibule.testing import as_user

def test_a_reader_may_not_write(client):
    with as_user(app, role="reader"):
        assert client.post("/items", json={"name": "lamp"}).status_code == 403
```

Nothing is bypassed: tokens are signed, verified, looked up among the revoked, and the real guards decide.
"""

from vestibule.testing.clock import Clock
from vestibule.testing.issuer import Issuer
from vestibule.testing.settings import settings
from vestibule.testing.sign_in import Caller, as_user

__all__ = ["Caller", "Clock", "Issuer", "as_user", "settings"]
