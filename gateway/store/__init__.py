"""The journal's file: records, tags and cursors in one SQLite database, and the threads that touch it."""
