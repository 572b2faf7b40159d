"""The historian's file: per-tag compressed blocks in SQLite, a staging area before them, and queries over both."""
