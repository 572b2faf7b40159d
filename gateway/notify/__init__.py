"""Mails: the queue that keeps them, the texts, and the ways out."""
