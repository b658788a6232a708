"""Examples pushed by HTTP: `PushLog` makes them durable, `PushSource` reads them."""

from streamlearner.connectors.push.log import BacklogFull, PushLog, PushRecord, Receipt
from streamlearner.connectors.push.source import PushSource

__all__ = ["BacklogFull", "PushLog", "PushRecord", "PushSource", "Receipt"]
