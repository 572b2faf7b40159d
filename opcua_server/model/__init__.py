"""The address space: own types, the plant's instances, and the facts about the server itself."""
