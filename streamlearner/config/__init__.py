"""The configuration: loaded, checked, shown. Only `app` and `commands` read it."""
