"""The life of a secret: created by its owner, lost, replaced by an act of the back office, expired.

One room per occasion; what follows which is `succession`'s."""
