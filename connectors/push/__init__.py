"""Examples pushed by HTTP: `PushLog` makes them durable, `PushSource` reads them."""

from streamlearner.connectors.push.log import PushLog
from streamlearner.connectors.push.records import AppendTooLarge, BacklogFull, PushRecord, Receipt
from streamlearner.connectors.push.source import PushSource

__all__ = ["AppendTooLarge", "BacklogFull", "PushLog", "PushRecord", "PushSource", "Receipt"]
