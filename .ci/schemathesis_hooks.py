"""What schemathesis cannot know: words that only a server makes, and rules that no schema says."""

import re
from urllib.parse import parse_qsl, urlsplit

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

# Each is how the detail of a problem begins.
RULES = (
    # One member depends on another.
    "seller: nobody is paid where there is no price",
    "closes_at: it has to be later than opens_at",
    "cliff_seconds: it is at most duration_seconds",
    "source: a cursor is one of a source",
    "cursor: a source comes with one",
    "a batch has tickets, or a source",
    # Which fields may be asked for is up to the collection.
    "the field ",
)

# To JSON Schema 5.0 is an integer; to the server what is spelled as a fraction is no amount, and
# no count.
FRACTION = "invalid type: floating point"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Of well-formed requests: without what would be refused before anything is looked at."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # Schemathesis puts nothing but letters and digits into headers, whatever their pattern.
    version = case.headers.get("If-Match") if case.headers else None
    if version is not None and not re.fullmatch('"[0-9]{1,19}"', version):
        del case.headers["If-Match"]
    # Only a server makes cursors.
    if case.query:
        case.query.pop("cursor", None)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Whether a failure is one."""
    # A form whose values are of wrong types is a form of texts once it was sent, and then in order.
    if isinstance(failure, AcceptedNegativeData) and "parameter `where`" in failure.message:
        names = [name for name, _ in parse_qsl(urlsplit(response.request.url).query, True)]
        fields = [name for name in names if name not in ("limit", "cursor", "prefix")]
        is_fine = all(re.fullmatch("where[.][A-Za-z0-9._:@-]{1,128}", name) for name in fields)
        return not (is_fine and len(fields) <= 1)
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    detail = response.json()["detail"]
    # Which ids a stream may have depends on its kind.
    if case.operation.path.startswith("/v1/streams/") and detail.startswith("in the path"):
        return False
    return not (detail.startswith(RULES) or FRACTION in detail)
