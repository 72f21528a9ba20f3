"""SIP's grammar (RFC 3261 §25), a file per item: text in, values out, `WireError` for the rest.

Every scan is linear in the length of its text and none uses a regular expression. Text is Latin-1
throughout, so that what is echoed to a peer is what it sent, byte for byte.
"""
