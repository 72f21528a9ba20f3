"""The telephone channel: a SIP/RTP server that plays prompts, hears keys, lets callers in."""
