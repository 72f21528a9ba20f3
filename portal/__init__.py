"""The other channels over HTTP: the web's "Mon compte", the kiosk, and the app's JSON.

It knows no rule of authentication: it asks `auth_core`, and shows what it is told.
"""
