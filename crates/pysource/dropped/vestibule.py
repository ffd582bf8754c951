"""`import vestibule` and `from vestibule import vestibule`: both give the object of `vestibule_client`.

Vestibule writes this file into the app at every publish; changes made here are lost.
"""

from vestibule_client import (
    AuthError,
    BadKey,
    BadValue,
    Conflict,
    EllivateAuthError,
    EllivateBadValue,
    EllivateConflict,
    EllivateError,
    EllivateForbidden,
    EllivateKeyError,
    EllivateNotAvailable,
    EllivateRateLimited,
    EllivateUnavailable,
    EllivateValueTooLarge,
    Forbidden,
    Kv,
    NotAvailable,
    RateLimited,
    Unavailable,
    ValueTooLarge,
    Vestibule,
    VestibuleError,
    Viewer,
    ellivate,
    vestibule,
)

# Without `list` and `set`: a star import must not hide the built-in ones.
__all__ = [
    "AuthError",
    "BadKey",
    "BadValue",
    "Conflict",
    "EllivateAuthError",
    "EllivateBadValue",
    "EllivateConflict",
    "EllivateError",
    "EllivateForbidden",
    "EllivateKeyError",
    "EllivateNotAvailable",
    "EllivateRateLimited",
    "EllivateUnavailable",
    "EllivateValueTooLarge",
    "Forbidden",
    "Kv",
    "NotAvailable",
    "RateLimited",
    "Unavailable",
    "ValueTooLarge",
    "Vestibule",
    "VestibuleError",
    "Viewer",
    "aappend",
    "adelete",
    "aexists",
    "aget",
    "aget_with_version",
    "aincr",
    "alist",
    "append",
    "as_viewer",
    "aset",
    "aupdate",
    "blob",
    "collection",
    "connection",
    "copy_context",
    "delete",
    "ellivate",
    "exists",
    "get",
    "get_with_version",
    "incr",
    "kv",
    "notify",
    "reason",
    "schedule",
    "test_viewer",
    "update",
    "vestibule",
    "viewer",
]

kv = vestibule.kv
blob = vestibule.blob
collection = vestibule.collection
reason = vestibule.reason
schedule = vestibule.schedule
notify = vestibule.notify
connection = vestibule.connection

viewer = vestibule.viewer
as_viewer = vestibule.as_viewer
copy_context = vestibule.copy_context
test_viewer = vestibule.test_viewer

get = vestibule.get
get_with_version = vestibule.get_with_version
set = vestibule.set
delete = vestibule.delete
list = vestibule.list
exists = vestibule.exists
update = vestibule.update
incr = vestibule.incr
append = vestibule.append

aget = vestibule.aget
aget_with_version = vestibule.aget_with_version
aset = vestibule.aset
adelete = vestibule.adelete
alist = vestibule.alist
aexists = vestibule.aexists
aupdate = vestibule.aupdate
aincr = vestibule.aincr
aappend = vestibule.aappend
