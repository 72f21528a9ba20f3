"""The JSON API: for the app, and for programs of the back office. It knows no rule of its own."""
