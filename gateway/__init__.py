"""The gateway: OPC UA servers in, a durable journal, and from it sinks, rules, mails and the page."""
