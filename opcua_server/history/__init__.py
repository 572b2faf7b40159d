"""The past of every historised value: SQLite on disk, compressed blocks, and the answer of HistoryRead."""
