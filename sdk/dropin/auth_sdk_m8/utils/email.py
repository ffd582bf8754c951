"""One spelling for an address."""


def normalize_email(email: str) -> str:
    """The form in which addresses are kept and compared: trimmed, in lower case."""
    return email.strip().lower()
