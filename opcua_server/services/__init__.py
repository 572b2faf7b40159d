"""The Part 4 service sets on asyncua's address space, encoding and secure channel, where asyncua's own fall short."""
