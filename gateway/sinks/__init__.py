"""Where values go: one file a kind of peer, each behind the contract of gateway/contract.py."""
