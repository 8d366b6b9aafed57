"""Faults of the way between gate and centre.

SyncError
├── StrictJsonError    CS-JSN-…  text that is not strict JSON within its limits
├── BundleRefused      CS-BND-…  a bundle that is not signed, not ours, too old or of another kind
├── IdentityFault      CS-IDN-…  a key or key file that cannot be used
├── EnvelopeRefused    CS-ENV-…  a batch that is not signed by its gate or breaks its limits
├── RecordRefused      CS-REC-…  one record that does not follow the record schema
├── AckRefused         CS-ACK-…  an acknowledgement that is not the centre's or not about our chain
├── CommandRefused     CS-CMD-…  a command that is not the centre's, not for us or expired
├── FactRefused        CS-FCT-…  a fact that no gate of this post signed
├── OrderRefused       CS-ULK-…  an order to unlock a seal that is not a gate's, not for now or not new
├── PostFault          CS-PST-…  the border post does not answer, or not as it must
├── BlobRefused        CS-BLB-…  a large file that is not what was asked for, or cannot be had
├── SealFault          CS-SEA-…  sealed personal fields that cannot be opened
├── TransportFault     CS-TRA-…  the broker is not there or refuses
└── LedgerFault        CS-LED-…  the centre's database refused

`code` is stable and documented; `retryable` says whether the same call may succeed later without a change.
"""

from __future__ import annotations


class SyncError(Exception):
    """A fault with a stable code."""

    code = "CS-000"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class StrictJsonError(SyncError):
    """The text is not strict JSON.

    Codes: CS-JSN-001 syntax or encoding · 002 too large · 003 too deep · 004 key twice · 005 number out of range.
    """

    code = "CS-JSN-001"


class BundleRefused(SyncError):
    """A bundle must not be used.

    Codes: CS-BND-001 malformed · 002 signature wrong or signer unknown · 003 another kind · 004 older than the one in use ·
    005 not yet valid · 006 expired.
    """

    code = "CS-BND-001"


class IdentityFault(SyncError):
    """A key file is missing, malformed or of another algorithm.

    Codes: CS-IDN-001 key · 002 directory · 003 gate unknown · 004 certificate.
    """

    code = "CS-IDN-001"


class EnvelopeRefused(SyncError):
    """A batch must not be read.

    Codes: CS-ENV-001 malformed · 002 signature wrong · 003 too large or too many records · 004 from another gate.
    """

    code = "CS-ENV-001"


class RecordRefused(SyncError):
    """A record breaks the schema. Codes: CS-REC-001 not strict JSON · 002 schema · 003 attributes contradict its place."""

    code = "CS-REC-001"


class AckRefused(SyncError):
    """An acknowledgement was not accepted.

    Codes: CS-ACK-001 malformed · 002 signature wrong · 003 other gate · 004 other epoch · 005 head differs from our chain.
    """

    code = "CS-ACK-001"


class CommandRefused(SyncError):
    """A command was not accepted.

    Codes: CS-CMD-001 malformed · 002 signature wrong · 003 other gate · 004 expired · 005 other epoch.
    """

    code = "CS-CMD-001"


class FactRefused(SyncError):
    """A fact must not be used. Codes: CS-FCT-001 malformed · 002 signature wrong · 003 signed under another gate's name."""

    code = "CS-FCT-001"


class PostFault(SyncError):
    """The border post cannot be used now.

    Codes: CS-PST-001 not reachable · 002 one of the two certificates was refused · 003 its answer cannot be read · 004 it refused ·
    005 it refused facts of this gate.
    """

    code = "CS-PST-001"
    retryable = True


class PostNotReached(PostFault):
    """The request certainly never left: no connection to the post stood."""


class OrderRefused(SyncError):
    """An order to unlock a seal was not carried out; nothing was sent to a seal.

    Codes: CS-ULK-001 malformed · 002 no gate of this post signed it · 003 signed under another gate's name · 004 expired, or valid for too
    long · 005 its id belongs to another order · 006 too many at once · 007 no officer's authorisation in it that holds · 008 the officer
    authorised something else · 009 the authorisation was used before.
    """

    code = "CS-ULK-001"


class BlobRefused(SyncError):
    """A large file cannot be had.

    Codes: CS-BLB-001 not there · 002 its content is another · 003 it is larger than allowed · 004 no room on the disk · 005 its source
    does not answer, or it is still on its way.
    """

    code = "CS-BLB-001"
    retryable = True


class SealFault(SyncError):
    """Sealed personal fields cannot be opened with this key, or not for this record."""

    code = "CS-SEA-001"


class TransportFault(SyncError):
    """The broker is not reachable, refused the connection or the link broke."""

    code = "CS-TRA-001"
    retryable = True


class LedgerFault(SyncError):
    """The centre's database could not commit; nothing is acknowledged after it."""

    code = "CS-LED-001"
    retryable = True
