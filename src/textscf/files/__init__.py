"""Reading (with checks) and writing (atomically) of volumes, settings, tables and training states."""
