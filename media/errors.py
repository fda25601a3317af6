"""What can go wrong with a request to the relay; `code` is for programs, the message for a person.

MediaError
  BadRequest         bad_request     a field is missing, of the wrong type or out of range
  BadSdp             bad_sdp         an offer or answer the relay will not work with
  WrongState         wrong_state     an answer without an offer, and the like
  Unauthorised       unauthorised    the control channel's key is missing or wrong
  UnknownOperation   unknown_op
  NoSuchRoom         no_such_room
  NoSuchPeer         no_such_peer
  StaleEpoch         stale_epoch     the room has been opened again with a higher epoch since
  Full               full            the worker's capacity is reached; also too many candidates of one peer
  Draining           draining        the worker takes no new rooms
  Unreachable        unreachable     (client) the worker cannot be reached or died during the request
  TimedOut           timeout         (client) no answer in time; the request may still be carried out
"""


class MediaError(Exception):
    """A request that was refused or failed; the wire carries `code` and the message."""

    code = "internal"

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code or self.code


class BadRequest(MediaError):
    code = "bad_request"


class BadSdp(MediaError):
    code = "bad_sdp"


class WrongState(MediaError):
    code = "wrong_state"


class Unauthorised(MediaError):
    code = "unauthorised"


class UnknownOperation(MediaError):
    code = "unknown_op"


class NoSuchRoom(MediaError):
    code = "no_such_room"


class NoSuchPeer(MediaError):
    code = "no_such_peer"


class StaleEpoch(MediaError):
    code = "stale_epoch"


class Full(MediaError):
    code = "full"


class Draining(MediaError):
    code = "draining"


class Unreachable(MediaError):
    code = "unreachable"


class TimedOut(MediaError):
    code = "timeout"
