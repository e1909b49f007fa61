"""Errors that a caller can act on. A docstring is the default message; `status` is the HTTP status it becomes."""


class PalateError(Exception):
    """Something went wrong."""

    status = 500
    title = "Internal error"

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or " ".join((type(self).__doc__ or "").split())
        super().__init__(self.detail)


class MissingKey(PalateError):
    """Send a key: `Authorization: Bearer KEY`. `palate keys create` makes one."""

    status, title = 401, "Key required"


class InvalidKey(PalateError):
    """This key is unknown, revoked or expired. `palate keys create` makes a new one."""

    status, title = 401, "Key not accepted"


class ScopeMissing(PalateError):
    """This key does not have the scope that the call needs."""

    status, title = 403, "Not allowed with this key"


class UserDisabled(PalateError):
    """This user is disabled on the media server, so nothing is recommended to them."""

    status, title = 403, "User disabled"


class UnknownServer(PalateError):
    """No server has this id, or this key may not see it. Register it with PUT /servers/{server_id}."""

    status, title = 404, "Unknown server"


class UnknownUser(PalateError):
    """No user has this id on this server. Sync the server, or send the user first with POST /ingest/users."""

    status, title = 404, "Unknown user"


class UnknownItem(PalateError):
    """No film, series, season or episode has this id on this server. Sync the server, or send it first with POST /ingest/items."""

    status, title = 404, "Unknown item"


class UnknownLibrary(PalateError):
    """No library has this id on this server."""

    status, title = 404, "Unknown library"


class UnknownKey(PalateError):
    """No key has this id. `palate keys list` shows them."""

    status, title = 404, "Unknown key"


class UnknownModel(PalateError):
    """No model of this server has this id. `palate models list` and GET /admin/models show them."""

    status, title = 404, "Unknown model"


class UnknownSpace(PalateError):
    """No space of this server has this id. `palate spaces list` shows them."""

    status, title = 404, "Unknown space"


class SpaceNotKept(PalateError):
    """Only a text space that is kept can be gone back to."""

    status, title = 409, "Space not kept"


class UnknownJob(PalateError):
    """No job has this id, or this key may not see it. `palate jobs list` and GET /admin/jobs show them."""

    status, title = 404, "Unknown job"


class UnknownJobName(PalateError):
    """No job has this name."""

    status, title = 404, "Unknown job"


class NotForOneUser(PalateError):
    """Only refresh-tastes is for one user, and it needs the server that the user is on."""

    status, title = 409, "Not for one user"


class JobOver(PalateError):
    """This job is over: there is nothing to cancel."""

    status, title = 409, "Job is over"


class BadRequest(PalateError):
    """The request could not be read."""

    status, title = 400, "Malformed request"


class UnclearNews(PalateError):
    """This is not what the media server's webhook sends."""

    status, title = 422, "Webhook not understood"


class UnknownKind(PalateError):
    """There are webhooks of jellyfin, emby and plex."""

    status, title = 404, "Unknown kind"


class BadSecret(PalateError):
    """The secret of this webhook is missing, unknown or revoked. `palate connect webhook` makes a new one."""

    status, title = 401, "Secret not accepted"


class BodyTooLarge(PalateError):
    """The body is larger than this endpoint takes. Send it in several calls."""

    status, title = 413, "Body too large"


class BodyTooSlow(PalateError):
    """The body did not come in time. Send it in several calls."""

    status, title = 408, "Body too slow"


class StatementTooSlow(PalateError):
    """The database took too long over this and was stopped. Ask for less (a smaller offset, fewer filters), or try again in a moment."""

    status, title = 503, "Too slow"


class Busy(PalateError):
    """More requests are under way than this server takes. Try again in a moment."""

    status, title = 503, "Busy"


class NotReady(PalateError):
    """The database does not answer. Try again in a moment."""

    status, title = 503, "Not ready"


class DatabaseUnsuitable(PalateError):
    """This database cannot hold Palate."""

    status, title = 503, "Database unsuitable"


class ModelMissing(PalateError):
    """The text model could not be loaded."""

    status, title = 503, "Text model missing"


class BadInput(PalateError):
    """A file or an argument could not be used."""

    status, title = 400, "Bad input"


class AlreadyRunning(PalateError):
    """The same work is already under way. Wait for it to end."""

    status, title = 409, "Already running"


class NotEnoughMemory(PalateError):
    """Learning takes more memory than it may. Free some, or allow more (`palate learn --memory`)."""

    status, title = 507, "Not enough memory"


class NothingToLearn(PalateError):
    """Too little was watched here to learn from: at least two people, and twenty items between them."""

    status, title = 409, "Nothing to learn"


class ModelTooLarge(PalateError):
    """A model may have 50 MB. Train it with fewer trees or leaves, or shorter vectors."""

    status, title = 413, "Model too large"


class ModelDamaged(PalateError):
    """The bytes of this model are not those that were stored. Promote or roll back to another, or train it again."""

    status, title = 409, "Model damaged"


class PromotionRefused(PalateError):
    """The figures do not speak for this model."""

    status, title = 409, "Promotion refused"


class BadReason(PalateError):
    """A reason is one line of text, of up to 500 characters."""

    status, title = 422, "Malformed reason"


class UnknownImport(PalateError):
    """No import of this server has this id. `palate import list` shows them."""

    status, title = 404, "Unknown import"


class ImportUndone(PalateError):
    """This import was taken back already."""

    status, title = 409, "Import undone"


class NothingToRollBack(PalateError):
    """No model is live here and none was before: fused scores serve."""

    status, title = 409, "Nothing to roll back"


class SecretKeyChanged(PalateError):
    """The stored token of this media server was encrypted with another PALATE_SECRET_KEY. Set that one again, or connect it anew."""

    status, title = 409, "Secret key changed"


class NotConnected(PalateError):
    """This server is not connected to a media server. `palate connect` does it; without a connection, send what
    it holds with POST /ingest/items."""

    status, title = 409, "Not connected"


class MediaServerDown(PalateError):
    """The media server does not answer."""

    status, title = 503, "Media server down"


class MediaServerSlow(PalateError):
    """The media server takes too long to answer. Try again when it has less to do."""

    status, title = 504, "Media server slow"


class MediaServerUnclear(PalateError):
    """The media server answered what is no answer."""

    status, title = 502, "Media server unclear"


class MediaServerRefused(PalateError):
    """The media server does not answer to this token, or is not the one that was connected."""

    status, title = 502, "Media server refused"


class MediaServerLacks(MediaServerRefused):
    """The media server has nothing at this address."""
