"""The past of every value: SQLite on disk, compressed blocks, and the answer of HistoryRead."""
