"""Examples pushed by HTTP: `PushLog` makes them durable, `PushSource` reads them."""

from connectors.push.log import BacklogFull, PushLog, PushRecord, Receipt
from connectors.push.source import PushSource

__all__ = ["BacklogFull", "PushLog", "PushRecord", "PushSource", "Receipt"]
