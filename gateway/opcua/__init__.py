"""The OPC UA side: sessions, subscriptions, decoding, history, repair."""
